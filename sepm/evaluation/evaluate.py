"""One evaluation from end to end: check, load, run, record, sum up."""

import hashlib
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llava import Checkpoint, Llava
from llava.checkpoint import deciding_files, identity_file
from sepm.datasets.files import file_sha256
from sepm.datasets.question_file import Question, read_questions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import RunError
from sepm.evaluation import output
from sepm.evaluation.batch_size import Batcher
from sepm.evaluation.device import (
    Placement,
    choose_placement,
    dtype_name,
    environment,
    peak_memory_gb,
)
from sepm.evaluation.loading import (
    check_option_letters,
    find_checkpoint,
    load_model,
)
from sepm.evaluation.output import MethodRun
from sepm.evaluation.preflight import check_images, note_text_use
from sepm.evaluation.progress import progress_bar, tell
from sepm.evaluation.records import Record, RecordFile, error_record, record_of
from sepm.evaluation.request import EvaluationRequest
from sepm.evaluation.results import write_results
from sepm.evaluation.runner import run_questions
from sepm.evaluation.window import Job, Result
from sepm.method.taxonomy import Taxonomy
from sepm.methods import get_method


@dataclass(frozen=True)
class Task:
    """One method's run: where it goes, what it is, what there is of it and what is not."""

    run: MethodRun
    folder: Path
    identity: dict[str, Any]
    finished: dict[str, Record]
    """Records that stay, by question id."""
    missing: set[str]
    """Ids of the questions asked for that are without one."""
    covered: list[Question]
    """The questions of the results: those asked for, and those of an earlier, larger `--limit`."""
    summed_up: bool
    """Whether an earlier command got as far as `accuracy.json`."""


def evaluate(request: EvaluationRequest, runs: Sequence[MethodRun]) -> list[Path]:
    """The `accuracy.json` of each run, in the order asked for; all share one pass over the images.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: the run failed on the way; the rows that were done are kept.
    """
    taxonomy = load_taxonomy(request.dataset)
    whole = read_questions(request.question_file, taxonomy, request.image_folder)
    questions = whole[: request.limit]
    place = choose_placement(request.device, request.dtype, request.vision_dtype)
    checkpoint = find_checkpoint(request.model_path, request.conversation)
    for run in runs:
        get_method(run.method).require_model(run.config, checkpoint.family, checkpoint.num_layers)
    hashes = _hashes(request, checkpoint, taxonomy)
    with ExitStack() as stack:
        tasks = [
            _task(
                request,
                run,
                whole,
                _identity(request, run, taxonomy, place, checkpoint, hashes),
                stack,
            )
            for run in runs
        ]
        note_text_use(questions, runs)
        missing = set[str]().union(*(task.missing for task in tasks))
        bad = check_images(request, [q for q in questions if q.question_id in missing])
        computed = _compute(request, checkpoint, tasks, questions, taxonomy, bad)
        measured = {"environment": environment(place), **computed}
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


def _hashes(
    request: EvaluationRequest, checkpoint: Checkpoint, taxonomy: Taxonomy
) -> dict[str, str]:
    """SHA-256 of what the rows are made from, besides the images.

    `checkpoint` is that of the language model's index or weight file alone, which tells a release;
    `model_files` covers settings, tokenizer, preprocessor and vision tower too.
    """
    files = [path for folder in checkpoint.folders for path in deciding_files(folder)]
    hashes = {path: file_sha256(path) for path in files}
    listed = "".join(f"{path.name} {sha256}\n" for path, sha256 in hashes.items())
    return {
        "question_file": file_sha256(request.question_file),
        "checkpoint": hashes[identity_file(checkpoint.folders[0])],
        "model_files": hashlib.sha256(listed.encode()).hexdigest(),
        "taxonomy": hashlib.sha256(repr(taxonomy.classes).encode()).hexdigest(),
    }


def _identity(
    request: EvaluationRequest,
    run: MethodRun,
    taxonomy: Taxonomy,
    place: Placement,
    checkpoint: Checkpoint,
    hashes: dict[str, str],
) -> dict[str, Any]:
    """What the rows of a run depend on. Batch size, device and limit may change on resuming."""
    return {
        "dataset": taxonomy.name,
        "method": run.method,
        "model": request.model_name,
        "preset": run.preset,
        "configuration": {
            **asdict(run.config),
            "dtype": dtype_name(place.dtype),
            "vision_dtype": dtype_name(place.vision_dtype),
            "conversation": checkpoint.conversation.name,
            "save_scores": request.save_scores,
        },
        "sha256": hashes,
    }


def _task(
    request: EvaluationRequest,
    run: MethodRun,
    whole: Sequence[Question],
    identity: dict[str, Any],
    stack: ExitStack,
) -> Task:
    """The task of a run, its folder held until the stack is left."""
    folder = request.output_dir / identity["dataset"] / identity["model"] / run.folder_name
    stack.enter_context(output.locked(folder))
    finished = {} if request.overwrite else output.finished_records(folder, identity)
    asked = whole[: request.limit]
    missing = {q.question_id for q in asked} - finished.keys()
    there = len(asked) - len(missing)
    if there:
        tell(f"{folder}: {there} of {len(asked)} rows are there already")
    wanted = finished.keys() | missing
    covered = [question for question in whole if question.question_id in wanted]
    summed_up = bool(output.earlier_accuracy(folder))
    return Task(run, folder, identity, finished, missing, covered, summed_up)


def _compute(
    request: EvaluationRequest,
    checkpoint: Checkpoint,
    tasks: Sequence[Task],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    bad: dict[str, str],
) -> dict[str, Any]:
    """Make the missing rows; what it took, the model's geometry and prompts, None if not known.

    No file changes before the model is loaded.
    """
    # A run that was finished before is left out. One that was cut off together with others goes
    # along although it has all its rows, so that the batches of the others stay the same.
    active = [task for task in tasks if task.missing or not task.summed_up]
    pending = set[str]().union(*(task.missing for task in active)) - bad.keys()
    model = None
    if pending or not all(task.summed_up for task in active):
        model = load_model(
            request.model_path,
            request.device,
            request.dtype,
            request.vision_dtype,
            request.conversation,
        )
        check_option_letters(model, taxonomy)
    for task in active:
        output.begin(task.folder, task.identity, task.finished.values())
    with ExitStack() as stack:
        files = [stack.enter_context(RecordFile(t.folder / output.PREDICTIONS)) for t in active]
        for task, file in zip(active, files, strict=True):
            for question in questions:
                if question.question_id in bad and question.question_id in task.missing:
                    file.append(error_record(question, bad[question.question_id]))
        if model is None:
            return {"timing": None, "visual_tokens": None, "prompt_format": None}
        good = [q for q in questions if q.question_id not in bad]
        timing = _run(request, model, good, active, files, pending, taxonomy) if pending else None
        return {
            "timing": timing,
            "visual_tokens": model.visual_grid,
            "prompt_format": {
                **model.prompt_format,
                "chosen_by": checkpoint.conversation_source,
            },
        }


def _run(
    request: EvaluationRequest,
    model: Llava,
    questions: Sequence[Question],
    tasks: Sequence[Task],
    files: Sequence[RecordFile],
    pending: set[str],
    taxonomy: Taxonomy,
) -> dict[str, Any]:
    """Run what is missing, appending each row as it is computed; how long it took."""
    rows_left = {key: sum(key in task.missing for task in tasks) for key in pending}
    batcher = Batcher(request.batch_size, tell)
    jobs = [Job(get_method(task.run.method).recipe, task.run.config) for task in tasks]
    started = time.perf_counter()
    with progress_bar(len(questions), len(questions) - len(pending)) as bar:
        for result in run_questions(
            model,
            questions,
            jobs,
            lambda job, question: question.question_id in tasks[job].missing,
            taxonomy,
            request.image_folder,
            batcher,
        ):
            files[result.job].append(_record(result, taxonomy, request))
            rows_left[result.question.question_id] -= 1
            bar.update(rows_left[result.question.question_id] == 0)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "images": len(pending),
        "images_per_second": len(pending) / seconds,
        "batch_size": batcher.size,
        "peak_memory_gb": peak_memory_gb(model.device),
    }


def _record(result: Result, taxonomy: Taxonomy, request: EvaluationRequest) -> Record:
    """The record of a result.

    Raises:
        RunError: the image can no longer be read, and such images are not to be skipped.
    """
    question = result.question
    if result.outcome is not None:
        return record_of(question, result.outcome, taxonomy, save_scores=request.save_scores)
    reason = result.error or ""
    if request.on_bad_image == "stop":
        raise RunError(f"{question.image}: {reason}, though it could be read before the run began")
    return error_record(question, reason)
