"""The batch size at which a device is fastest, found by trying."""

import time
from collections.abc import Callable
from pathlib import Path

from sepm.datasets.image_files import UnreadableImageError
from sepm.datasets.question_file import Question
from sepm.errors import RunError
from sepm.inference.image_loader import load_image
from sepm.method.dialogue import Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.memory import free_memory, is_out_of_memory
from sepm.models.protocol import VisionLanguageModel
from sepm.progress import tell
from sepm.registry import MethodRun

SIZES = (1, 2, 4, 8, 16, 32, 64)
WORTH_IT = 0.03
"""By how much an image must get faster for a larger batch to be taken: larger ones fill memory."""


def fastest_batch_size(seconds_of: Callable[[int], float | None]) -> int:
    """The size after which doubling stops paying.

    Args:
        seconds_of: how long a batch of a size takes; None where memory does not suffice. Sizes are
            asked in turn, and none above the first that brings no gain.
    """
    best, best_seconds = 1, None
    for size in SIZES:
        seconds = seconds_of(size)
        if seconds is None:
            break
        seconds /= size  # of one image
        if best_seconds is not None and seconds > (1 - WORTH_IT) * best_seconds:
            break
        best, best_seconds = size, seconds
    return best


def find_batch_size(
    model: VisionLanguageModel,
    question: Question,
    run: MethodRun,
    taxonomy: Taxonomy,
    image_folder: Path,
) -> int:
    """The fastest batch size on the model's device, timed on a method's first query of an image.

    Raises:
        RunError: the image can no longer be read.
    """
    loaded = load_image(image_folder / question.image, model.preprocess)
    if isinstance(loaded, UnreadableImageError):
        raise RunError(f"{question.image}: {loaded}, though it could be read before the run began")
    sample = Sample(question.question_id, 1, question.text)  # no query depends on N
    prompt = model.tokenize(next(run.unchecked_dialogue(sample, taxonomy)).query.text)

    def compute(size: int) -> None:
        images = model.encode([loaded.content] * size)
        model.prefill([prompt] * size, images, [()] * size).logits.cpu()  # waits for the device

    size = fastest_batch_size(lambda size: _seconds(compute, size))
    tell(f"--batch-size auto: {size}, at which an image takes least time on {model.device}")
    return size


def _seconds(compute: Callable[[int], None], size: int) -> float | None:
    """Seconds that a batch takes on a warm device; None where memory does not suffice."""
    try:
        compute(size)
        started = time.perf_counter()
        compute(size)
        return time.perf_counter() - started
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    free_memory()  # outside `except`, whose traceback holds on to the tensors
    return None
