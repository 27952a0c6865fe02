"""The images of runs, found again by the records."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from sepm.datasets.image_files import UnreadableImageError, image_size, read_image
from sepm.datasets.question_file import image_faults
from sepm.errors import InputError
from sepm.records.writing import Record
from sepm.report.overlay import shrunk
from sepm.report.runs import RunGroup

T = TypeVar("T")

ImageFolders = Mapping[str, Path]
"""Image folder of each data set."""


def image_folders(given: Sequence[str], groups: Sequence[RunGroup]) -> ImageFolders:
    """The image folder of each data set, from `DIR` (for all) or `DATASET=DIR`.

    Raises:
        InputError: no such data set among the runs, or no such folder.
    """
    datasets = sorted({group.dataset for group in groups})
    folders: dict[str, Path] = {}
    for text in given:
        dataset, found, path = text.partition("=")
        named = bool(found) and not Path(text).is_dir()
        if named and dataset not in datasets:
            raise InputError(f"--image-folder {text}: the runs are of {', '.join(datasets)}")
        folder = Path(path if named else text)
        if not folder.is_dir():
            raise InputError(
                f"no image folder: {folder} is no folder; give the one that the runs were made with"
            )
        folders |= dict.fromkeys([dataset] if named else datasets, folder)
    return folders


def load_image(record: Record, folder: Path) -> Image.Image:
    """A record's image, shrunk where it is large.

    Raises:
        InputError: it cannot be read, or lies outside the folder.
    """
    return shrunk(_read(read_image, record, folder))


def load_size(record: Record, folder: Path) -> tuple[int, int]:
    """Width and height of a record's image.

    Raises:
        InputError: as `load_image`.
    """
    return _read(image_size, record, folder)


def _read(read: Callable[[Path], T], record: Record, folder: Path) -> T:
    for fault in image_faults(record["image"], folder):
        raise InputError(f"question_id '{record['question_id']}': {fault}")
    path = folder / record["image"]
    try:
        return read(path)
    except UnreadableImageError as error:
        raise InputError(
            f"image {path}: {error}; is {folder} the folder the run was made with?"
        ) from error
