"""Every image of a question file decoded before anything else is done with it."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from sepm.datasets.question_file import Question
from sepm.datasets.threads import in_threads
from sepm.errors import InputError
from sepm.images import UnreadableImageError, read_image


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

    An image that several questions share is decoded once.

    Args:
        questions: rows of a question file.
        image_folder: folder that their image paths start from.
        workers: threads that decode; by default one for each processor.
        progress: show a bar on standard error where that is a terminal.

    Raises:
        InputError: less than one worker.
        TimeoutError: an image's disk or network does not answer.
    """
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    images = list(dict.fromkeys(question.image for question in questions))
    with warnings.catch_warnings():
        # PIL warns of odd metadata, which is harmless, and of images near its pixel limit.
        warnings.simplefilter("ignore")
        bar = tqdm(
            in_threads(lambda image: _reason(image_folder / image), images, workers),
            desc="decoding images",
            total=len(images),
            unit="image",
            disable=None if progress else True,
        )
        reasons = {image: reason for image, reason in bar if reason is not None}
    return [BadImage(q, reasons[q.image]) for q in questions if q.image in reasons]


def _reason(path: Path) -> str | None:
    """Why the image cannot be decoded, or None if it can."""
    try:
        read_image(path)
    except UnreadableImageError as error:
        return str(error)
    return None
