"""Batches that shrink when memory runs out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sepm.errors import RunError
from sepm.models.memory import free_memory, is_out_of_memory

T = TypeVar("T")


class Batcher:
    """Applies a function to batches of at most `size` items; halves `size` when memory runs out.

    Args:
        size: largest batch, at least 1.
        tell: says what happened to the user.
    """

    def __init__(self, size: int, tell: Callable[[str], None]) -> None:
        self._asked_for = self.size = size
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
                    # A window's images stay in memory, also where its batches shrink.
                    smaller = "a smaller --batch-size, " if self._asked_for > 1 else ""
                    raise RunError(
                        f"memory does not suffice for a batch of 1: {error} The rows before are "
                        f"kept. Try {smaller}--dtype float16, or a device with more memory"
                    ) from error
                self.size = max(1, min(self.size, len(batch[0])) // 2)
                self.tell(f"out of memory: going on with batches of {self.size}")
                results = None
            if results is None:
                free_memory()  # outside `except`, whose traceback holds on to the tensors
                continue
            yield from results
            start += len(batch[0])
