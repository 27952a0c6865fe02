"""A plain tree with a folder for each class: ArtPhoto, FI, one's own photographs."""

import re
from pathlib import Path

from sepm.datasets.folder_walk import files_below, folders_in
from sepm.datasets.image_files import file_fault
from sepm.datasets.question_file import Question
from sepm.datasets.reader_parts import Reading, need
from sepm.datasets.tasks import composed, is_unicode
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))


def read_folder(root: Path, taxonomy: Taxonomy) -> Reading:
    """One question an image below `<root>/<class name>/`, at any depth.

    Raises:
        InputError: there is no such folder, a folder names no class, or there is no image.
    """
    need(root, "give the folder that holds a folder for each class")
    questions: list[Question] = []
    others = 0
    order = {name: position for position, name in enumerate(taxonomy.names)}
    # Folders of no class come first, so that they are met at once.
    for folder in sorted(folders_in(root), key=lambda path: order.get(composed(path.name), -1)):
        label = composed(folder.name)
        if label not in taxonomy.names:
            raise InputError(f"{folder}: {unknown_name('class', label, taxonomy.names)}")
        images, other = images_below(folder)
        others += other
        for image in images:
            path = f"{folder.name}/{image}"
            questions.append(Question(question_id=path, image=path, label=label))
    if not questions:
        raise InputError(f"{root}: no image in a class folder; expected <class>/<image>")
    found = {question.label for question in questions}
    absent = [name for name in taxonomy.names if name not in found]
    notes = [f"no image of {', '.join(absent)}"] if absent else []
    if others:
        notes.append(f"{others} files in class folders are no images by their suffix; left out")
    return Reading(questions, root, counts={"other_files": others}, notes=tuple(notes))


def images_below(folder: Path) -> tuple[list[str], int]:
    """Images below a folder as relative paths, 2.jpg before 10.jpg, and the count of other files.

    Raises:
        InputError: an image is no plain file, a link leads nowhere or in a circle, or a file name
            is not UTF-8.
    """
    images: list[str] = []
    others = 0
    for path in files_below(folder):
        if path.suffix.lower() not in IMAGE_SUFFIXES and path.exists():
            others += 1
        elif fault := file_fault(path):
            raise InputError(f"{path}: {fault}")
        else:
            images.append(path.relative_to(folder).as_posix())
    for name in images:
        if not is_unicode(name):
            raise InputError(f"{folder}: file name {name!r} is not UTF-8; rename the file")
    return sorted(images, key=_natural), others


def _natural(name: str) -> list[int | str]:
    """Sort key under which numbers count as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if position % 2 else part for position, part in enumerate(parts)]
