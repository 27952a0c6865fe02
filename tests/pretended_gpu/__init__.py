"""A GPU that is not there: what a test of the CUDA path can find without one.

Its tensors say `cuda:0`, compute on the CPU, and refuse to meet a CPU tensor. It notes down every
wait of the host for the device, the attention kernel that CUDA would choose for each call, and how
much memory is taken. What it cannot find are a real GPU's numerics, kernels and limits.
"""

from pathlib import Path

from tests.pretended_gpu.driver import pretended_gpu
from tests.pretended_gpu.log import Log

__all__ = ["IN_EVERY_PROCESS", "Log", "pretended_gpu"]

IN_EVERY_PROCESS = Path(__file__).parent / "in_every_process"
"""In front of PYTHONPATH it gives the processes that are started the GPU too."""
