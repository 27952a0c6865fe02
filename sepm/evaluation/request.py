"""What one evaluation is asked to do; the command line is made from it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from sepm.datasets.question_file import QuestionFile, read_question_file
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError

Dtype = Literal["auto", "float16", "bfloat16", "float32"]
ConversationName = Literal["auto", "vicuna_v1", "llama_3", "llama_3_fix"]
BATCH_SIZE_HELP = (
    "images computed together, at most 512; auto: the fastest on this device, found once a run (in "
    "half precision rows can depend on the size, so that only a fixed one makes a run repeatable)"
)
LARGEST_BATCH = 512
"""A window, which is kept in memory, is eight batches."""
VISION_DTYPE_HELP = "precision of the vision tower; auto: the language model's"
CONVERSATION_HELP = "template of the prompts; auto: the checkpoint's"


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """Where the data, the model and the results are, and how to compute.

    Raises:
        InputError: a value is out of its range.
    """

    model_path: Annotated[str, "checkpoint: a local folder or a hub id"]
    question_file: Annotated[Path, "question file (JSON Lines)"]
    image_folder: Annotated[Path, "folder that the question file's images are relative to"]
    dataset: Annotated[str, "task: a bundled taxonomy's name, or a taxonomy file"] = "emoset"
    output_dir: Annotated[Path, "where results go"] = Path("results")
    device: Annotated[str, "auto, cpu, cuda, cuda:N or mps"] = "auto"
    dtype: Annotated[Dtype, "precision; auto: float32 on a CPU, float16 elsewhere"] = "auto"
    vision_dtype: Annotated[Dtype, VISION_DTYPE_HELP] = "auto"
    conversation: Annotated[ConversationName, CONVERSATION_HELP] = "auto"
    batch_size: Annotated[int | Literal["auto"], BATCH_SIZE_HELP] = 8
    limit: Annotated[int | None, "compute only the first LIMIT questions"] = None
    save_scores: Annotated[bool, "keep each visual token's score in the records"] = False
    overwrite: Annotated[bool, "start afresh where results exist"] = False
    on_bad_image: Annotated[
        Literal["stop", "skip"],
        "images that cannot be read: stop before the run, or record them as errors",
    ] = "stop"

    def __post_init__(self) -> None:
        if self.batch_size != "auto":
            check_batch_size(self.batch_size)
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1, got {self.limit}")

    @property
    def model_name(self) -> str:
        """The checkpoint's name, as results show it."""
        return checkpoint_name(self.model_path)

    def read_questions(self) -> QuestionFile:
        """The question file's content; a command reads it once, for it may be a pipe.

        Raises:
            InputError: the task is unknown, or something is wrong with the file or any row.
        """
        taxonomy = load_taxonomy(self.dataset)
        return read_question_file(self.question_file, taxonomy, self.image_folder)


def check_batch_size(size: int) -> None:
    """Raise `InputError` where a batch size is out of its range."""
    if not 1 <= size <= LARGEST_BATCH:
        raise InputError(f"batch size must be from 1 to {LARGEST_BATCH}, got {size}")


def checkpoint_name(model_path: str) -> str:
    """Last part of a model's path or hub id; a link keeps the name that it was given.

    A snapshot in the hub's cache (`models--owner--name/snapshots/<commit>`) is named by its
    repository.
    """
    folder = Path(os.path.abspath(os.path.expanduser(model_path)))
    return folder.parents[1].name.split("--")[-1] if hub_revision(folder) else folder.name


def hub_revision(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache is a snapshot of; None: it is no such folder."""
    *_, repository, snapshots, commit = ("", "", "", *folder.absolute().parts)
    is_snapshot = snapshots == "snapshots" and repository.startswith("models--")
    return commit if is_snapshot else None
