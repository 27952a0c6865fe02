"""Memory that ran out: how every device says so, and what to do then."""

import gc

import torch

from sepm.errors import RunError

OUT_OF_MEMORY = (
    "out of memory",  # CUDA's caching allocator, its driver ("CUDA error: …"), HIP, XPU, MPS
    "can't allocate memory",  # a CPU
    "not enough memory",  # a CPU under Windows
    "bad_alloc",
    "invalid buffer size",  # MPS
    "cublas_status_alloc_failed",
    "cublas_status_not_initialized",  # no room for the library's own buffers
    "cudnn_status_alloc_failed",
    "cusolver_status_alloc_failed",
    "cudnn_status_not_supported",  # where its workspace finds no room
)
"""What errors say, in lower case, when memory ran out: most are a plain `RuntimeError`."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on any device, and nobody has judged what follows from it yet."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if not isinstance(error, RuntimeError) or isinstance(error, RunError):
        return False
    said = str(error).lower()
    return any(wording in said for wording in OUT_OF_MEMORY)


def free_memory() -> None:
    """Give back what a failed batch has left allocated."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
