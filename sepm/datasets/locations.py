"""Where `data/README.md` has each task's images and question file."""

import json
from dataclasses import dataclass
from pathlib import Path

from sepm.datasets.make import manifest_path, read_task, write_made
from sepm.errors import InputError

IMAGE_FOLDERS = {
    "emotion6": Path("Emotion6/images"),
    "emoset": Path("EmoSet-118K/image"),
    "webemo7": Path("WEBEmo"),
    "webemo25": Path("WEBEmo"),
    "abstract": Path("testImages_abstract"),
}
"""Below the data folder; the first part is the unpacked data set."""

QUESTION_FILE = "stage_1.jsonl"


@dataclass(frozen=True)
class TaskData:
    """A task's question file and its images."""

    task: str
    question_file: Path
    image_folder: Path
    notes: tuple[str, ...] = ()
    """What the manifest says of a question file that was made just now."""


def find_task(task: str, data: Path, questions: Path) -> TaskData:
    """The task's data; a question file that is not there is made with the reader's defaults.

    The image folder is the one of the file's manifest, else the one of `data/README.md`.

    Args:
        task: one of the paper's five.
        data: folder that holds one folder for each data set.
        questions: folder that holds `<task>/stage_1.jsonl`.

    Raises:
        InputError: neither the data set nor its question file is there, or the data is wrong.
    """
    file = questions / task / QUESTION_FILE
    root = data / IMAGE_FOLDERS[task].parts[0]
    if file.exists():
        return TaskData(task, file, _image_folder(file, data / IMAGE_FOLDERS[task]))
    if not root.is_dir():
        raise InputError(f"no data set at {root} and no question file {file}; see data/README.md")
    manifest = write_made(read_task(task, root, {}), file)
    notes = (f"{file}: made, {manifest['n']} questions", *manifest["notes"])
    return TaskData(task, file, Path(manifest["image_folder"]), notes)


def _image_folder(file: Path, usual: Path) -> Path:
    try:
        manifest = json.loads(manifest_path(file).read_text(encoding="utf-8"))
        made_from = Path(manifest["image_folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return usual
    return made_from if made_from.is_dir() else usual
