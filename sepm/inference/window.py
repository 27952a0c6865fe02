"""One window of questions: every method's dialogues over its images, in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from llava import Llava
from sepm.datasets.image_files import UnreadableImageError
from sepm.datasets.question_file import Question
from sepm.evaluation.run_folder import MethodRun
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.inference.image_loader import LoadedImage
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.registry import Recipe, get_method


@dataclass(frozen=True)
class Job:
    """One method to run over all questions."""

    recipe: Recipe
    config: MethodConfig


def jobs_of(runs: Sequence[MethodRun]) -> list[Job]:
    """The job of each run, in their order."""
    return [Job(get_method(run.method).recipe, run.config) for run in runs]


@dataclass(frozen=True)
class Result:
    """What came of one question under one job: an outcome, or why it could not be run."""

    job: int
    question: Question
    outcome: Outcome | None
    image_sha256: str = ""
    """Of the image's file, where it could be read."""
    error: str | None = None


def run_window(
    model: Llava,
    window: Sequence[Question],
    loaded: Sequence[LoadedImage | UnreadableImageError],
    jobs: Sequence[Job],
    taxonomy: Taxonomy,
    batcher: Batcher,
) -> Iterator[Result]:
    """Results of all jobs over a window's images, as they are computed.

    Args:
        model: the model.
        window: questions.
        loaded: of each its image, or why it cannot be read.
        jobs: the methods.
        taxonomy: the task's classes.
        batcher: forms batches.
    """
    readable: list[tuple[Question, LoadedImage]] = []
    for question, image in zip(window, loaded, strict=True):
        if isinstance(image, LoadedImage):
            readable.append((question, image))
        else:
            yield from (Result(job, question, None, error=str(image)) for job in range(len(jobs)))
    pixels = [image.pixels for _, image in readable]
    visual_tokens = list(batcher.map(lambda batch: list(model.encode(torch.stack(batch))), pixels))
    rows = [
        (job, image, Sample(question.question_id, model.num_visual_tokens, question.text))
        for job in range(len(jobs))
        for image, (question, _) in enumerate(readable)
    ]
    dialogues = [
        (image, jobs[job].recipe(sample, taxonomy, jobs[job].config)) for job, image, sample in rows
    ]

    for place, outcome in run_dialogues(model, dialogues, visual_tokens, batcher.map):
        job, index, _ = rows[place]
        question, image = readable[index]
        yield Result(job, question, outcome, image.sha256)
