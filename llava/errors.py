"""Faults of a checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete or of another family; the message says what to do."""


@contextmanager
def checkpoint_errors(place: Path | str) -> Iterator[None]:
    """Within it, whatever a library makes of the values of a file is a fault of the checkpoint.

    For single calls into a library that does not say what it raises; nothing else goes in there.

    Raises:
        CheckpointError: the library refused a value, or failed at it.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise CheckpointError(f"{place}: {kind}{error}") from error
