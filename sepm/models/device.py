"""Device and precision of a run, and the machine that it ran on."""

import platform
import resource
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, TimeoutExpired
from typing import Any

import torch
import transformers

from sepm.errors import InputError, did_you_mean
from sepm.models.malloc import keep_freed_memory
from sepm.processes import local_index

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
SECONDS_TO_ANSWER = 30.0
"""Time that a command has which tells a fact of the machine, without which a run goes on."""


@dataclass(frozen=True)
class Placement:
    """Device and precisions of a model."""

    device: torch.device
    dtype: torch.dtype
    vision_dtype: torch.dtype


def choose_placement(
    device: str, dtype: str, vision_dtype: str = "auto", own_dtype: torch.dtype | None = None
) -> Placement:
    """The placement of those names; a vision tower's "auto" is the language model's dtype.

    Args:
        own_dtype: of the checkpoint, which "auto" takes beside a CPU; None: float16 there.

    Raises:
        InputError: the device is unknown, or not there.
    """
    place = choose_device(device)
    chosen = choose_dtype(dtype, place, own_dtype or torch.float16)
    vision = chosen if vision_dtype == "auto" else choose_dtype(vision_dtype, place)
    return Placement(place, chosen, vision)


def choose_device(name: str) -> torch.device:
    """The device of that name, a GPU always with its index; "auto" takes CUDA, else MPS, else CPU.

    A CUDA device without a number is the process's own: of several processes on a machine each
    takes the GPU of its own number, and where a single one is visible (as a SLURM task sees) that.

    Raises:
        InputError: unknown, or not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return choose_device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdecimal()):
        raise InputError(
            f"device must be auto, cpu, cuda, cuda:N or mps, got '{name}'"
            f"{did_you_mean(name, ('auto', 'cpu', 'cuda', 'mps'))}"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' is not available here; use --device cpu")
    if kind != "cuda":
        return torch.device(kind)
    count = torch.cuda.device_count()
    number = int(index) if index else (0 if count == 1 else local_index())
    if number >= count:
        raise InputError(f"device 'cuda:{number}': {count} CUDA devices are visible")
    return torch.device("cuda", number)


def prepare_device(device: torch.device, *, keep_memory: bool = True) -> None:
    """Settings of the whole process for computing on a device; a command begins with it.

    Float32 products and convolutions keep all their bits (no TF32). Attention never runs in cuDNN,
    which plans anew for each shape: prompts, batches' ends and every decoded token have their own.

    Args:
        device: as `choose_device` gives it.
        keep_memory: on a CPU, keep what is freed (`sepm.models.malloc`).
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.enable_cudnn_sdp(False)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # else other libraries' helpers use the first GPU too
    elif device.type == "cpu" and keep_memory:
        keep_freed_memory()


def choose_dtype(
    name: str, device: torch.device, elsewhere: torch.dtype = torch.float16
) -> torch.dtype:
    """The dtype of that name; "auto" is float32 on a CPU, the reference, and another elsewhere."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else elsewhere
    return DTYPES[name]


def dtype_name(dtype: torch.dtype) -> str:
    """Name of a dtype: "float16" for `torch.float16`."""
    return str(dtype).removeprefix("torch.")


def environment(place: Placement, attention: str = "sdpa") -> dict[str, Any]:
    """Machine and software of a run, for its results; facts of CUDA devices are None elsewhere."""
    on_cuda = place.device.type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": str(place.device),
        "device_name": _device_name(place.device),
        "cuda": torch.version.cuda if on_cuda else None,
        "cudnn": torch.backends.cudnn.version() if on_cuda else None,
        "driver": _nvidia_driver() if on_cuda else None,
        "dtype": dtype_name(place.dtype),
        "vision_dtype": dtype_name(place.vision_dtype),
        "attention_implementation": attention,
        "git_commit": git_commit(),
    }


def computing_machine(device: torch.device) -> dict[str, str]:
    """What computes, by all that may round otherwise elsewhere: the device's kind and libraries."""
    return {
        "device_name": _device_name(device),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


@dataclass(frozen=True)
class PeakMemory:
    """Largest memory so far, in GB (10⁹ bytes)."""

    allocated: float
    """In tensors of a CUDA device; of the process elsewhere."""
    reserved: float | None
    """Held by PyTorch on a CUDA device, which is what must fit; None elsewhere."""


def peak_memory(device: torch.device) -> PeakMemory:
    """Largest memory of this process so far."""
    if device.type == "cuda":
        allocated = torch.cuda.max_memory_allocated(device)
        return PeakMemory(allocated / 1e9, torch.cuda.max_memory_reserved(device) / 1e9)
    unit = 1 if sys.platform == "darwin" else 1024
    return PeakMemory(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, None)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _nvidia_driver() -> str | None:
    """Version of the NVIDIA driver, None where `nvidia-smi` does not tell it."""
    query = "nvidia-smi --query-gpu=driver_version --format=csv,noheader"
    versions = _printed_by(query)
    return versions.splitlines()[0] if versions else None


def git_commit() -> str | None:
    """Commit of the source tree, with "+" where it was changed since; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # installed, perhaps inside the checkout of something else
        return None
    command = "git --no-optional-locks describe --always --abbrev=40 --dirty=+ --exclude=*"
    return _printed_by(command, root)


def _printed_by(command: str, folder: Path | None = None) -> str | None:
    """Output of a command; None where it is absent, fails, or does not answer in time.

    A driver whose GPU has fallen off the bus keeps its tools waiting, and they cannot be killed.
    """
    try:
        process = subprocess.Popen(
            command.split(), cwd=folder, stdout=PIPE, stderr=DEVNULL, stdin=DEVNULL, text=True
        )
    except OSError:
        return None
    try:
        output, _ = process.communicate(timeout=SECONDS_TO_ANSWER)
    except TimeoutExpired:
        process.kill()
        with suppress(TimeoutExpired):
            process.communicate(timeout=1)
        return None
    return None if process.returncode else output.strip()
