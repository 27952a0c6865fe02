"""Where and in what precision a run computes, and on what it ran."""

import platform
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from sepm.errors import InputError, did_you_mean
from sepm.evaluation.processes import local_count, local_index

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Placement:
    """Where a model computes, and in what precision."""

    device: torch.device
    dtype: torch.dtype
    vision_dtype: torch.dtype


def choose_placement(device: str, dtype: str, vision_dtype: str = "auto") -> Placement:
    """The placement of those names; a vision tower's "auto" is the language model's dtype.

    Raises:
        InputError: the device is unknown, or not there.
    """
    place = choose_device(device)
    chosen = choose_dtype(dtype, place)
    vision = chosen if vision_dtype == "auto" else choose_dtype(vision_dtype, place)
    return Placement(place, chosen, vision)


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA, else MPS, else the CPU.

    Of several processes on a machine each takes the GPU of its own number.

    Raises:
        InputError: unknown, or not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return choose_device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise InputError(
            f"device must be auto, cpu, cuda, cuda:N or mps, got '{name}'"
            f"{did_you_mean(name, ('auto', 'cpu', 'cuda', 'mps'))}"
        )
    if kind == "cuda" and not index and local_count() > 1:
        return choose_device(f"cuda:{local_index()}")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise InputError(f"device '{name}': {torch.cuda.device_count()} CUDA devices are visible")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' is not available here; use --device cpu")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of that name; "auto" is float32 on a CPU, the reference, and float16 elsewhere."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    return DTYPES[name]


def dtype_name(dtype: torch.dtype) -> str:
    """Name of a dtype: "float16" for `torch.float16`."""
    return str(dtype).removeprefix("torch.")


def environment(place: Placement) -> dict[str, Any]:
    """What a run ran on, for its results."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": str(place.device),
        "device_name": _device_name(place.device),
        "dtype": dtype_name(place.dtype),
        "vision_dtype": dtype_name(place.vision_dtype),
        "attention_implementation": "sdpa",
        "git_commit": _git_commit(),
    }


def peak_memory_gb(device: torch.device) -> float:
    """Largest memory so far in GB (10⁹ bytes): of the device on CUDA, of the process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _git_commit() -> str | None:
    """Commit of the source tree, with "+" where it was changed since; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # installed, perhaps inside the checkout of something else
        return None
    command = "git --no-optional-locks describe --always --abbrev=40 --dirty=+ --exclude=*"
    try:
        describe = subprocess.run(
            command.split(), cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return describe.stdout.strip()
