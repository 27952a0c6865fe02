"""Result of every reader, and the small steps that readers share."""

from dataclasses import dataclass, field
from pathlib import Path

from sepm.datasets.question_file import Question
from sepm.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Reading:
    """Result of reading a data set."""

    questions: list[Question]
    image_folder: Path
    """Folder that the questions' image paths start from."""
    inputs: tuple[Path, ...] = ()
    """Lists, labels and votes that were read."""
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """Numbers that a score depends on besides n: ties, missing images, …"""
    notes: tuple[str, ...] = ()
    """Remarks for a user who compares numbers."""
    options: dict[str, str] = field(default_factory=dict[str, str])
    """Options whose default depends on the others, as they were used."""


def need(path: Path, hint: str) -> Path:
    """The path itself.

    Raises:
        InputError: there is nothing; the hint says what to do.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {hint}")
    return path


def split_path(split: str, named: dict[str, Path], hint: str) -> Path:
    """The list of a split: one of the data set's own by its name, else a path.

    Raises:
        InputError: neither exists.
    """
    if split in named:
        return need(named[split], hint)
    if not Path(split).exists():
        names = f" nor one of {', '.join(named)}" if named else ""
        raise InputError(f"split '{split}' is no path{names}{did_you_mean(split, named)}; {hint}")
    return Path(split)


def require_image(path: Path) -> None:
    """Raise ValueError unless a row's image is there."""
    if not path.is_file():
        raise ValueError(f"no such image: {path}")
