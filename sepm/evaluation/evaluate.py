"""One evaluation from end to end: check, share out, compute, sum up."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from llava import Checkpoint, Llava
from sepm import __version__
from sepm.datasets.check import ImageHashes
from sepm.datasets.files import write_whole
from sepm.datasets.image_files import UnreadableImageError
from sepm.datasets.question_file import Question, QuestionFile
from sepm.evaluation import run_folder
from sepm.evaluation.compute import Order, carry_out, load
from sepm.evaluation.plan import Task, plan_task
from sepm.evaluation.preflight import check_images, note_text_use
from sepm.evaluation.request import EvaluationRequest, hub_revision
from sepm.evaluation.results import write_results
from sepm.evaluation.run_folder import MethodRun
from sepm.inference.device import (
    Placement,
    choose_placement,
    dtype_name,
    environment,
    prepare_device,
)
from sepm.inference.processes import current_processes
from sepm.method.taxonomy import Taxonomy
from sepm.models.opening import checkpoint_hashes, find_checkpoint
from sepm.records.record import RecordFile, error_record
from sepm.registry import get_method


def evaluate(
    request: EvaluationRequest, runs: Sequence[MethodRun], content: QuestionFile
) -> list[Path]:
    """The `accuracy.json` of each run, in the order asked for; all share one pass over the images.

    Args:
        request: the data, the model, and how to compute.
        runs: the methods.
        content: of the request's question file.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: the run failed on the way; the rows that were done are kept.
    """
    taxonomy, whole = content.taxonomy, content.questions
    questions = whole[: request.limit]
    place = choose_placement(request.device, request.dtype, request.vision_dtype)
    prepare_device(place.device)
    machine = environment(place)
    checkpoint = find_checkpoint(request.model_path, request.conversation)
    for run in runs:
        get_method(run.method).require_model(run.config, checkpoint.family, checkpoint.num_layers)
    made_of = {
        "sha256": {**checkpoint_hashes(checkpoint), **_data_hashes(content)},
        "software": [{"version": __version__, "git_commit": machine["git_commit"]}],
    }
    with ExitStack() as stack:
        identities = [
            {**_identity(request, run, taxonomy, place, checkpoint), **made_of} for run in runs
        ]
        tasks = [
            plan_task(request, run, whole, identity, taxonomy, stack)
            for run, identity in zip(runs, identities, strict=True)
        ]
        note_text_use(questions, runs)
        missing = frozenset[str]().union(*(task.missing for task in tasks))
        wanted = [q for q in questions if q.question_id in missing]
        hashes = check_images(request, wanted, tasks)
        bad = {
            q.question_id: str(hashes[q.image])
            for q in wanted
            if isinstance(hashes[q.image], UnreadableImageError)
        }
        computed = _compute(
            replace(
                request,
                dtype=dtype_name(place.dtype),
                vision_dtype=dtype_name(place.vision_dtype),
            ),
            checkpoint,
            tasks,
            questions,
            taxonomy,
            hashes,
            bad,
        )
        measured = {"environment": machine, **computed}
        return [
            write_results(
                task.folder,
                task.identity,
                task.covered,
                taxonomy,
                {
                    **measured,
                    "limit": len(task.covered) if len(task.covered) < len(whole) else None,
                    **({} if task.missing - bad.keys() else {"timing": None}),
                },
            )
            for task in tasks
        ]


def _data_hashes(content: QuestionFile) -> dict[str, str]:
    """SHA-256 of what the rows are made from, besides the model and the images."""
    classes = repr(content.taxonomy.classes)
    return {
        "question_file": content.sha256,
        "taxonomy": hashlib.sha256(classes.encode()).hexdigest(),
    }


def _identity(
    request: EvaluationRequest,
    run: MethodRun,
    taxonomy: Taxonomy,
    place: Placement,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """What the rows of a run depend on. Batch size, device and limit may change on resuming."""
    return {
        "dataset": taxonomy.name,
        "method": run.method,
        "model": request.model_name,
        "revision": hub_revision(checkpoint.folder),
        "preset": run.preset,
        "configuration": {
            **asdict(run.config),
            "dtype": dtype_name(place.dtype),
            "vision_dtype": dtype_name(place.vision_dtype),
            "conversation": checkpoint.conversation.name,
            "save_scores": request.save_scores and run.has_scores,
        },
    }


def _compute(
    request: EvaluationRequest,
    checkpoint: Checkpoint,
    tasks: Sequence[Task],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    hashes: ImageHashes,
    bad: dict[str, str],
) -> dict[str, Any]:
    """Make the missing rows; what it took, the model's geometry and prompts, None if not known.

    No file changes before the model is loaded.
    """
    # A run that was finished before is left out. One that was cut off together with others goes
    # along although it has all its rows, so that the batches of the others stay the same.
    active = [task for task in tasks if task.missing or not task.summed_up]

    def begin() -> None:
        for task in active:
            _begin(task, questions, bad)

    model, timing = None, None
    if any(task.missing - bad.keys() for task in active):
        good = [question for question in questions if question.question_id not in bad]
        model, timing = _share_out(request, active, good, taxonomy, hashes, begin)
    else:
        if not all(task.summed_up for task in active):
            model = load(request, taxonomy)
        begin()
    if model is None:
        return {"timing": None, "visual_tokens": None, "prompt_format": None}
    return {
        "timing": timing,
        "visual_tokens": model.visual_grid,
        "prompt_format": {**model.prompt_format, "chosen_by": checkpoint.conversation_source},
    }


def _begin(task: Task, questions: Sequence[Question], bad: dict[str, str]) -> None:
    """Let a folder hold the rows that stay, and those of the images that cannot be read."""
    run_folder.begin(task.folder, task.identity, task.finished.values())
    with RecordFile(task.folder / run_folder.PREDICTIONS) as file:
        for question in questions:
            if question.question_id in bad and question.question_id in task.missing:
                file.append(error_record(question, bad[question.question_id]))


def _share_out(
    request: EvaluationRequest,
    tasks: Sequence[Task],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    hashes: ImageHashes,
    begin: Callable[[], None],
) -> tuple[Llava, dict[str, Any]]:
    """Let all processes compute the missing rows of the questions; the model and the timing."""
    token = tasks[0].folder / run_folder.TOKEN
    order = Order(
        request=request,
        taxonomy=taxonomy,
        questions=tuple(questions),
        runs=tuple(task.run for task in tasks),
        folders=tuple(task.folder for task in tasks),
        missing=tuple(task.missing & {q.question_id for q in questions} for task in tasks),
        save_scores=tuple(task.identity["configuration"]["save_scores"] for task in tasks),
        model_files=tasks[0].identity["sha256"]["model_files"],
        image_hashes={q.image: str(hashes[q.image]) for q in questions},
        token=uuid4().hex,
    )
    write_whole(token, order.token)
    try:
        current_processes().broadcast(order)
        return carry_out(order, begin)
    finally:
        token.unlink(missing_ok=True)
