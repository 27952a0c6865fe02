"""Places of each task's images and question file, as `data/README.md` has them."""

import json
from dataclasses import dataclass
from pathlib import Path

from sepm.datasets.make_question_file import make_question_file, manifest_path
from sepm.errors import InputError
from sepm.repository import REPOSITORY, pointer

IMAGE_FOLDERS = {
    "emotion6": Path("Emotion6/images"),
    "emoset": Path("EmoSet-118K/image"),
    "webemo7": Path("WEBEmo"),
    "webemo25": Path("WEBEmo"),
    "webemo2": Path("WEBEmo"),
    "abstract": Path("testImages_abstract"),
    "artphoto": Path("testImages_artphoto"),
    "fi": Path("FI"),
}
"""Paths below the data folder; the first part is the unpacked data set."""

SOURCES = {
    "emotion6": "http://chenlab.ece.cornell.edu/people/kuanchuan/publications/Emotion6.zip",
    "emoset": "https://github.com/JingyuanYY/EmoSet",
    "webemo7": "https://github.com/slifer0918/WEBEmo",
    "webemo25": "https://github.com/slifer0918/WEBEmo",
    "webemo2": "https://github.com/slifer0918/WEBEmo",
    "abstract": "https://www.imageemotion.org/testImages_abstract.zip",
    "artphoto": "https://www.imageemotion.org/testImages_artphoto.zip",
}
"""Addresses that data sets come from; FI has none, its authors give it on request."""

QUESTION_FILE = "stage_1.jsonl"
README = "data/README.md"

OTHER_CHOICES = {"emotion6": "--split LIST", "abstract": "--ties drop"}
"""Options that choose otherwise where a reader's default decides what the paper does not tell."""


@dataclass(frozen=True)
class TaskData:
    """A task's question file and its images."""

    task: str
    question_file: Path
    image_folder: Path
    notes: tuple[str, ...] = ()
    """Remarks on where both come from, for the reader of a result."""


def require_data(task: str, root: Path) -> None:
    """Check that a data set is there.

    Raises:
        InputError: it is not; the message tells how to get it.
    """
    if root.is_dir() or task not in IMAGE_FOLDERS:
        return
    raise InputError(
        f"no data set: {root} is no folder. Get it from {SOURCES.get(task, 'its authors')}"
        f"{pointer(' as {} says', README)}, or name the folder where it lies."
        f"\n\n{_how_to_get(task)}".rstrip()
    )


def _how_to_get(task: str) -> str:
    """The section of `data/README.md` that shows the task's folder; nothing without that file."""
    folder = f"\n    data/{IMAGE_FOLDERS[task].parts[0]}/\n"
    path = REPOSITORY / README
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return "".join(f"## {part}" for part in text.split("\n## ") if folder in part)


def find_task(task: str, data: Path, questions: Path) -> TaskData:
    """The task's data; a question file that is not there is made with the reader's defaults.

    The image folder is the one of `data/README.md` where it holds the file's first image, else the
    one of the file's manifest.

    Args:
        task: one of the paper's five.
        data: folder that holds one folder for each data set.
        questions: folder that holds `<task>/stage_1.jsonl`.

    Raises:
        InputError: neither the data set nor its question file is there, or the data is wrong.
    """
    file = questions / task / QUESTION_FILE
    root = data / IMAGE_FOLDERS[task].parts[0]
    usual = data / IMAGE_FOLDERS[task]
    if file.exists():
        folder = usual if _holds_first_image(usual, file) else _manifest_folder(file) or usual
        notes = () if folder == usual else (f"images of {folder}: {usual} does not hold them",)
        return TaskData(task, file, folder, notes)
    if not root.is_dir():
        raise InputError(
            f"no data set at {root} and no question file {file}; "
            f"{pointer('see {}, or what ', README)}"
            f"`sepm questions {task} --root {root} --output {file}` tells how to get it"
        )
    manifest = make_question_file(task, root, {}, file)
    notes = (f"{file}: made, {manifest['n']} questions", *manifest["notes"])
    if task in OTHER_CHOICES:
        command = f"sepm questions {task} --root {root} {OTHER_CHOICES[task]} --output {file}"
        notes += (f"to choose otherwise: {command}; a file that is there is used as it is",)
    return TaskData(task, file, Path(manifest["image_folder"]), notes)


def _holds_first_image(folder: Path, file: Path) -> bool:
    image = _first_value(file, "image")  # whoever reads the file tells what is wrong with it
    return image is not None and (folder / image).is_file()


def _manifest_folder(file: Path) -> Path | None:
    folder = _first_value(manifest_path(file), "image_folder")
    return Path(folder) if folder is not None and Path(folder).is_dir() else None


def _first_value(file: Path, field: str) -> str | None:
    """A field of the file's first JSON object; None where there is none."""
    try:
        row, _ = json.JSONDecoder().raw_decode(file.read_text(encoding="utf-8").lstrip())
        return str(row[field])
    except (OSError, ValueError, KeyError, TypeError):
        return None
