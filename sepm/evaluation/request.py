"""Request of one evaluation: a model, a data set, and options of the run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sepm.datasets.options import DataOptions, TaskOptions
from sepm.errors import InputError
from sepm.models.options import ModelOptions

DEFAULT_BATCH = 8
LARGEST_BATCH = 512
"""A window, which is kept in memory, is eight batches."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Folder of the results, and options of their computation.

    Raises:
        InputError: a value is out of its range.
    """

    output_dir: Path = Path("results")
    """Where results go."""
    batch_size: int | Literal["auto"] = DEFAULT_BATCH
    """Images computed together, at most 512; auto: the fastest on this device, found once a run (in
    half precision rows can depend on the size, so that only a fixed one makes a run repeatable)."""
    save_scores: bool = False
    """Keep each visual token's score in the records."""
    overwrite: bool = False
    """Start afresh where results exist."""

    def __post_init__(self) -> None:
        if self.batch_size != "auto":
            check_batch_size(self.batch_size)


def require_files(*options: ModelOptions | TaskOptions) -> None:
    """Check that the files and folders that options name are there, before anything is loaded.

    Raises:
        InputError: what is not there, all of it, and what to do.
    """
    absent = [what for group in options for what in group.absent()]
    if absent:
        raise InputError("\n".join(absent))


@dataclass(frozen=True)
class EvaluationRequest:
    """One evaluation, but for the methods."""

    model: ModelOptions
    data: DataOptions
    run: RunOptions


def check_batch_size(size: int) -> None:
    """Raise `InputError` where a batch size is out of its range."""
    if not 1 <= size <= LARGEST_BATCH:
        raise InputError(f"batch size must be from 1 to {LARGEST_BATCH}, got {size}")
