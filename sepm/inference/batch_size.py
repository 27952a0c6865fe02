"""Batches that shrink when memory runs out."""

import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch

from sepm.errors import RunError

T = TypeVar("T")

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


class Batcher:
    """Applies a function to batches of at most `size` items; halves `size` when memory runs out.

    Args:
        size: largest batch, at least 1.
        tell: says what happened to the user.
    """

    def __init__(self, size: int, tell: Callable[[str], None]) -> None:
        self.size = size
        self.tell = tell

    def map(self, function: Callable[..., Sequence[T]], *columns: Sequence[Any]) -> Iterator[T]:
        """Results of the function over the columns, batch by batch.

        Raises:
            RunError: memory does not suffice for a single item.
        """
        start, total = 0, len(columns[0])
        while start < total:
            batch = [column[start : start + self.size] for column in columns]
            try:
                results = function(*batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(batch[0]) == 1:
                    raise RunError(
                        f"memory does not suffice for a batch of 1: {error} The rows before are "
                        "kept. Try --dtype float16, or a device with more memory"
                    ) from error
                self.size = max(1, min(self.size, len(batch[0])) // 2)
                self.tell(f"out of memory: going on with batches of {self.size}")
                results = None
            if results is None:
                free_memory()  # outside `except`, whose traceback holds on to the tensors
                continue
            yield from results
            start += len(batch[0])


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(wording in said for wording in OUT_OF_MEMORY)


def free_memory() -> None:
    """Give back what a failed batch has left allocated."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
