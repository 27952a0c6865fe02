"""From questions to outcomes: images loaded ahead, windows of dialogues run side by side.

A window is a fixed stretch of the question file. Its batches depend on the window alone, so a run
that was cut off and resumed, with any number of processes, computes the missing rows exactly as an
uninterrupted one would.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from llava import Llava
from sepm.datasets.question_file import Question
from sepm.inference.batch_size import Batcher
from sepm.inference.image_loader import loaded_ahead
from sepm.inference.processes import Processes
from sepm.inference.window import Job, Result, run_window
from sepm.method.taxonomy import Taxonomy

WINDOW_BATCHES = 8
"""Batches in a window: enough that each branch of the fine stage fills some."""


def windows_of(questions: Sequence[Question], batch_size: int) -> list[Sequence[Question]]:
    """The questions cut into windows, the last one shorter."""
    size = batch_size * WINDOW_BATCHES
    return [questions[start : start + size] for start in range(0, len(questions), size)]


def dealt(
    questions: Sequence[Question],
    pending: Collection[str],
    batch_size: int,
    processes: Processes,
) -> list[Question]:
    """The questions of this process's windows: of those with something to do, dealt out in turn.

    Cut again into windows of the same size they give the same windows.

    Args:
        questions: all of the run's, in the file's order.
        pending: ids of the questions with something to do.
        batch_size: what windows are measured in.
        processes: whom the windows are dealt out to.
    """
    wanted = [
        window
        for window in windows_of(questions, batch_size)
        if any(question.question_id in pending for question in window)
    ]
    mine = wanted[processes.index :: processes.count]
    return [question for window in mine for question in window]


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
    wanted = [
        window
        for window in windows_of(questions, batcher.size)
        if any(is_missing(job, question) for question in window for job in range(len(jobs)))
    ]
    paths = [image_folder / question.image for window in wanted for question in window]
    ahead = batcher.size * WINDOW_BATCHES  # the next window, while one is computed
    images = loaded_ahead(paths, model.preprocess, ahead, model.device)
    with closing(images):
        for window in wanted:
            loaded = list(islice(images, len(window)))
            for result in run_window(model, window, loaded, jobs, taxonomy, batcher):
                if is_missing(result.job, result.question):
                    yield result
