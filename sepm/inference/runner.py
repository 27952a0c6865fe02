"""From questions to outcomes: images loaded ahead, windows of dialogues run side by side.

A window is a fixed stretch of the question file. Its batches depend on the window alone, so a run
that was cut off and resumed, with any number of processes, computes the missing rows exactly as an
uninterrupted one would.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sepm.datasets.image_files import UnreadableImageError
from sepm.datasets.question_file import Question
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.inference.image_loader import LoadedImage, loaded_ahead
from sepm.method.dialogue import Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.protocol import EncodedImage, VisionLanguageModel
from sepm.processes import Processes
from sepm.records.writing import VisualTokens
from sepm.registry import MethodRun

WINDOW_BATCHES = 8
"""Batches in a window: enough that each branch of the fine stage fills some."""


@dataclass(frozen=True)
class Result:
    """Outcome of one question under one run, or the reason why there is none."""

    run: int
    """Index of the run."""
    question: Question
    outcome: Outcome | None
    image_sha256: str = ""
    """Of the image's file, where it could be read."""
    visual_tokens: VisualTokens | None = None
    """Its visual tokens, where the model gives each image its own number."""
    error: str | None = None


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
    """Questions of this process's windows: of those with something to do, dealt out in turn.

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
    model: VisionLanguageModel,
    questions: Sequence[Question],
    runs: Sequence[MethodRun],
    taxonomy: Taxonomy,
    image_folder: Path,
    batcher: Batcher,
    is_missing: Callable[[int, Question], bool] = lambda run, question: True,
) -> Iterator[Result]:
    """Results of the missing rows as they are computed.

    All rows of a window are computed and the missing ones handed on, so that batches are the same
    whatever was done before.

    Args:
        questions: those of whole windows, in the file's order.
        runs: the methods; they share every image, and every ask that is the same.
        image_folder: what `Question.image` is relative to.
        is_missing: whether the row of a run (its index) and question is wanted.
    """
    paths = [image_folder / question.image for question in questions]
    ahead = batcher.size * WINDOW_BATCHES  # the next window, while one is computed
    with closing(loaded_ahead(paths, model.preprocess, ahead)) as images:
        for window in windows_of(questions, batcher.size):
            loaded = list(islice(images, len(window)))
            for result in run_window(model, window, loaded, runs, taxonomy, batcher):
                if is_missing(result.run, result.question):
                    yield result


def run_window(
    model: VisionLanguageModel,
    window: Sequence[Question],
    loaded: Sequence[LoadedImage | UnreadableImageError],
    runs: Sequence[MethodRun],
    taxonomy: Taxonomy,
    batcher: Batcher,
) -> Iterator[Result]:
    """Results of all runs over a window's images, as they are computed.

    Args:
        window: questions.
        loaded: of each its image, or why it cannot be read.
    """
    readable: list[tuple[Question, LoadedImage]] = []
    for question, image in zip(window, loaded, strict=True):
        if isinstance(image, LoadedImage):
            readable.append((question, image))
        else:
            yield from (Result(run, question, None, error=str(image)) for run in range(len(runs)))
    images = list(batcher.map(model.encode, [image.content for _, image in readable]))
    rows = [(run, image) for run in range(len(runs)) for image in range(len(readable))]
    dialogues = [
        (image, runs[run].dialogue(_sample(readable[image][0], images[image]), taxonomy))
        for run, image in rows
    ]
    once = any(run.asks_behind_one_image for run in runs)
    for number, outcome in run_dialogues(model, dialogues, images, batcher.map, image_once=once):
        run, image = rows[number]
        question, loaded_image = readable[image]
        encoded = images[image]
        own = None if model.max_visual_tokens else VisualTokens(encoded.num_tokens, encoded.tiles)
        yield Result(run, question, outcome, loaded_image.sha256, own)


def _sample(question: Question, image: EncodedImage) -> Sample:
    return Sample(question.question_id, image.num_tokens, question.text, image)
