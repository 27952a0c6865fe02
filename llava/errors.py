"""What can be wrong with a checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete or of another family; the message says what to do."""


@contextmanager
def checkpoint_errors(place: Path) -> Iterator[None]:
    """Within it, a value that a part of the model refuses is a fault of the checkpoint there.

    Raises:
        CheckpointError: a part refused a value.
    """
    try:
        yield
    except CheckpointError:
        raise
    except (StrictDataclassError, ValueError) as error:
        raise CheckpointError(f"{place}: {error}") from error
