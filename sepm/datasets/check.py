"""Decoding of all images of a question file before anything else is done with them."""

import os
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from tqdm import tqdm

from sepm.datasets.daemon_threads import in_threads
from sepm.datasets.image_files import UnreadableImageError, image_hash, read_image_and_hash
from sepm.errors import InputError

ImageHashes = dict[str, str | UnreadableImageError]
"""SHA-256 of image files, or why an image cannot be used, by their path in the image folder."""


def image_hashes(
    images: Sequence[str], decoded: Collection[str], image_folder: Path, workers: int | None = None
) -> ImageHashes:
    """SHA-256 of each image file, or why the image cannot be used; each file is read once.

    Progress is shown on standard error where that is a terminal.

    Args:
        images: their paths in the folder; one may stand there several times.
        decoded: those that are decoded to the last row too.
        workers: threads that read; by default one for each processor.

    Raises:
        InputError: less than one worker.
        TimeoutError: an image's disk or network does not answer.
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
        bar = tqdm(found, desc="reading images", total=len(images), unit="image", disable=None)
        return dict(bar)


def _hash(path: Path, decode: bool) -> str | UnreadableImageError:
    try:
        return read_image_and_hash(path)[1] if decode else image_hash(path)
    except UnreadableImageError as error:
        return error
