"""The questions and their images: options that every command with a data set shares."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sepm.datasets.question_file import QuestionFile, read_question_file
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError


def absent_question_file(path: Path) -> Iterator[str]:
    """A question file's path where there is none, and what to do."""
    if not path.exists() or path.is_dir():
        yield (
            f"no question file: {path} is {'a folder' if path.is_dir() else 'no file'}; `sepm "
            f"questions TASK --root DIR --output {path}` makes one of a data set"
        )


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """Question file, images and task."""

    question_file: Path
    """Question file (JSON Lines)."""
    image_folder: Path
    """Folder that the question file's images are relative to."""
    dataset: str = "emoset"
    """Task: a name that `sepm tasks` lists, or a taxonomy file."""

    def absent(self) -> Iterator[str]:
        """The question file and the folder of the images where they are absent, and what to do."""
        yield from absent_question_file(self.question_file)
        if not self.image_folder.is_dir():
            yield f"no image folder: {self.image_folder} is no folder; give the one of the data set"


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Which of the questions are computed.

    Raises:
        InputError: a value is out of its range.
    """

    limit: int | None = None
    """Compute only the first LIMIT questions."""
    on_bad_image: Literal["stop", "skip"] = "stop"
    """Images that cannot be read: stop before the run, or record them as errors."""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1, got {self.limit}")


@dataclass(frozen=True, kw_only=True)
class DataOptions(SampleOptions, TaskOptions):
    """Question file, images and task, and which of the questions are computed."""

    def read(self) -> QuestionFile:
        """Content of the question file; a command reads it once, for it may be a pipe.

        Raises:
            InputError: the task is unknown, or something is wrong with the file or any row.
        """
        taxonomy = load_taxonomy(self.dataset)
        return read_question_file(self.question_file, taxonomy, self.image_folder)
