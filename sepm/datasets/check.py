"""Every image of a question file decoded before anything else is done with it."""

import os
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from sepm.datasets.image_files import UnreadableImageError, image_hash, read_image_and_hash
from sepm.datasets.question_file import Question
from sepm.datasets.threads import in_threads
from sepm.errors import InputError

ImageHashes = dict[str, str | UnreadableImageError]
"""SHA-256 of image files, or why an image cannot be used, by their path in the image folder."""


@dataclass(frozen=True)
class BadImage:
    """A question whose image cannot be used."""

    question: Question
    reason: str


def find_bad_images(
    questions: Sequence[Question],
    image_folder: Path,
    workers: int | None = None,
    progress: bool = True,
) -> list[BadImage]:
    """The questions whose images cannot be decoded to the last row, in their order.

    Args:
        questions: rows of a question file.
        image_folder: folder that their image paths start from.
        workers: threads that decode; by default one for each processor.
        progress: show a bar on standard error where that is a terminal.

    Raises:
        InputError: less than one worker.
        TimeoutError: an image's disk or network does not answer.
    """
    images = {question.image for question in questions}
    hashes = image_hashes([q.image for q in questions], images, image_folder, workers, progress)
    found = ((question, hashes[question.image]) for question in questions)
    return [BadImage(q, str(why)) for q, why in found if isinstance(why, UnreadableImageError)]


def image_hashes(
    images: Sequence[str],
    decoded: Collection[str],
    image_folder: Path,
    workers: int | None = None,
    progress: bool = True,
) -> ImageHashes:
    """SHA-256 of each image file, or why the image cannot be used; each file is read once.

    Args:
        images: their paths in the folder; one may stand there several times.
        decoded: those that are decoded to the last row too.
        image_folder: the folder.
        workers: threads that read; by default one for each processor.
        progress: show a bar on standard error where that is a terminal.

    Raises:
        InputError: less than one worker.
    """
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    images = list(dict.fromkeys(images))
    with warnings.catch_warnings():
        # PIL warns of odd metadata, which is harmless, and of images near its pixel limit.
        warnings.simplefilter("ignore")
        found = in_threads(
            lambda image: _hash(image_folder / image, decode=image in decoded), images, workers
        )
        bar = tqdm(
            found,
            desc="reading images",
            total=len(images),
            unit="image",
            disable=None if progress else True,
        )
        return dict(bar)


def _hash(path: Path, decode: bool) -> str | UnreadableImageError:
    try:
        return read_image_and_hash(path)[1] if decode else image_hash(path)
    except UnreadableImageError as error:
        return error
