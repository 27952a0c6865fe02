"""From questions to outcomes: images prefetched, windows of dialogues run side by side.

A window is a fixed stretch of the question file. Its batches depend on the window alone, so a run
that was cut off and resumed computes the missing rows exactly as an uninterrupted one would.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from llava import Llava
from sepm.datasets.question_file import Question
from sepm.evaluation.batch_size import Batcher
from sepm.evaluation.window import Job, Result, run_window
from sepm.images import UnreadableImageError, read_image
from sepm.method.taxonomy import Taxonomy

WINDOW_BATCHES = 8
"""Batches in a window: enough that each branch of the fine stage fills some."""

PREFETCH_WORKERS = 4
"""Threads that decode and preprocess; Pillow and numpy release the interpreter meanwhile."""


def run_questions(
    model: Llava,
    questions: Sequence[Question],
    jobs: Sequence[Job],
    is_missing: Callable[[int, Question], bool],
    taxonomy: Taxonomy,
    image_folder: Path,
    batcher: Batcher,
) -> Iterator[Result]:
    """Results of the missing rows as they are computed.

    Windows in which nothing is missing are passed over; in the others all rows are computed and
    the missing ones handed on, so that batches are the same whatever was done before.

    Args:
        model: the model.
        questions: all of the run's, in the file's order.
        jobs: the methods; they share every image, and every ask that is the same.
        is_missing: whether the row of a job and question is wanted.
        taxonomy: the task's classes.
        image_folder: what `Question.image` is relative to.
        batcher: forms batches.
    """
    size = batcher.size * WINDOW_BATCHES
    windows = [questions[start : start + size] for start in range(0, len(questions), size)]
    wanted = [w for w in windows if any(is_missing(j, q) for q in w for j in range(len(jobs)))]

    def load(question: Question) -> Tensor | UnreadableImageError:
        try:
            return model.preprocess(read_image(image_folder / question.image))
        except UnreadableImageError as error:
            return error

    for window, loaded in _prefetched(wanted, load):
        for result in run_window(model, window, loaded, jobs, taxonomy, batcher):
            if is_missing(result.job, result.question):
                yield result


def _prefetched(
    windows: Sequence[Sequence[Question]],
    load: Callable[[Question], Tensor | UnreadableImageError],
) -> Iterator[tuple[Sequence[Question], list[Tensor | UnreadableImageError]]]:
    """Each window with its images loaded, the next one being loaded meanwhile."""
    ahead: deque[tuple[Sequence[Question], list[Future[Tensor | UnreadableImageError]]]] = deque()
    with ThreadPoolExecutor(PREFETCH_WORKERS) as pool:
        try:
            for window in windows:
                ahead.append((window, [pool.submit(load, question) for question in window]))
                if len(ahead) > 1:
                    earlier, futures = ahead.popleft()
                    yield earlier, [future.result() for future in futures]
            for window, futures in ahead:
                yield window, [future.result() for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
