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

OTHER_CHOICES = {"emotion6": "--split LIST", "abstract": "--ties drop"}
"""What readers' defaults decide and the paper does not tell, as an option decides it otherwise."""


@dataclass(frozen=True)
class TaskData:
    """A task's question file and its images."""

    task: str
    question_file: Path
    image_folder: Path
    notes: tuple[str, ...] = ()
    """What a reader of the result should know of where both come from."""


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
    if file.exists():
        usual = data / IMAGE_FOLDERS[task]
        folder = usual if _holds_first_image(usual, file) else _manifest_folder(file) or usual
        notes = () if folder == usual else (f"images of {folder}: {usual} does not hold them",)
        return TaskData(task, file, folder, notes)
    if not root.is_dir():
        raise InputError(
            f"no data set at {root} and no question file {file}; see data/README.md, or what "
            f"`bash scripts/v1_5/eval/{task}.sh` prints of it"
        )
    manifest = write_made(read_task(task, root, {}), file)
    notes = (f"{file}: made, {manifest['n']} questions", *manifest["notes"])
    if task in OTHER_CHOICES:
        command = f"sepm questions {task} --root {root} {OTHER_CHOICES[task]} --output {file}"
        notes += (f"to choose otherwise: {command}; a file that is there is used as it is",)
    return TaskData(task, file, Path(manifest["image_folder"]), notes)


def _holds_first_image(folder: Path, file: Path) -> bool:
    try:
        with file.open(encoding="utf-8") as lines:
            image = json.loads(lines.readline())["image"]
        return (folder / image).is_file()
    except (OSError, ValueError, KeyError, TypeError):  # whoever reads the file tells what is wrong
        return False


def _manifest_folder(file: Path) -> Path | None:
    try:
        manifest = json.loads(manifest_path(file).read_text(encoding="utf-8"))
        made_from = Path(manifest["image_folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made_from if made_from.is_dir() else None
