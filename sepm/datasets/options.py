"""The questions and their images: options that every command with a data set shares."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from sepm.datasets.question_file import QuestionFile, read_question_file
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Question file, images and task.

    Raises:
        InputError: a value is out of its range.
    """

    question_file: Annotated[Path, "question file (JSON Lines)"]
    image_folder: Annotated[Path, "folder that the question file's images are relative to"]
    dataset: Annotated[str, "task: a bundled taxonomy's name, or a taxonomy file"] = "emoset"
    limit: Annotated[int | None, "compute only the first LIMIT questions"] = None
    on_bad_image: Annotated[
        Literal["stop", "skip"],
        "images that cannot be read: stop before the run, or record them as errors",
    ] = "stop"

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1, got {self.limit}")

    def read(self) -> QuestionFile:
        """Content of the question file; a command reads it once, for it may be a pipe.

        Raises:
            InputError: the task is unknown, or something is wrong with the file or any row.
        """
        taxonomy = load_taxonomy(self.dataset)
        return read_question_file(self.question_file, taxonomy, self.image_folder)
