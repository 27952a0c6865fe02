"""One evaluation from end to end: check, load, run, record, sum up."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from llava import CheckpointError, Llava, load_llava
from llava.checkpoint import identity_file, locate
from sepm.datasets.check import find_bad_images
from sepm.datasets.files import file_sha256, write_whole
from sepm.datasets.question_file import Question, read_questions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError, RunError
from sepm.evaluation import device as devices
from sepm.evaluation import output
from sepm.evaluation.batch_size import Batcher
from sepm.evaluation.metrics import summarize
from sepm.evaluation.output import MethodRun
from sepm.evaluation.paper import reported_accuracy
from sepm.evaluation.records import (
    Record,
    append_records,
    error_record,
    read_records,
    record_of,
)
from sepm.evaluation.released_format import write_released_files
from sepm.evaluation.request import EvaluationRequest
from sepm.evaluation.runner import Job, Result, run_questions
from sepm.method.config import MethodConfig
from sepm.method.taxonomy import Taxonomy
from sepm.methods import get_method


def evaluate(request: EvaluationRequest, runs: Sequence[MethodRun]) -> list[Path]:
    """The `accuracy.json` of each run, in the order asked for; all share one pass over the images.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: the run failed on the way; the rows that were done are kept.
    """
    taxonomy = load_taxonomy(request.dataset)
    questions = read_questions(request.question_file, taxonomy, request.image_folder)
    questions = questions[: request.limit]
    folders = [
        request.output_dir / taxonomy.name / request.model_name / run.folder_name for run in runs
    ]
    jobs = [Job(get_method(run.method).recipe, run.config) for run in runs]
    for run in runs:
        _note_unused_text(questions, run.config)
    bad = _check_images(request, questions, folders)
    with ExitStack() as stack, _checkpoint_errors():
        for folder in folders:
            stack.enter_context(output.locked(folder))
        device = devices.choose_device(request.device)
        dtypes = _dtypes(request, device)
        identities = [_identity(request, run, taxonomy, *dtypes) for run in runs]
        done = [
            output.prepare(folder, identity, overwrite=request.overwrite)
            for folder, identity in zip(folders, identities, strict=True)
        ]
        missing = [{q.question_id for q in questions} - rows.keys() for rows in done]
        timing = None
        if any(missing):
            model = load_llava(
                request.model_path, device=device, dtype=dtypes[0], vision_dtype=dtypes[1]
            )
            timing = _run(request, model, questions, jobs, folders, missing, taxonomy, bad)
        environment = devices.environment(device, *dtypes)
        return [
            _sum_up(request, folder, identity, questions, taxonomy, timing, environment)
            for folder, identity in zip(folders, identities, strict=True)
        ]


@contextmanager
def _checkpoint_errors() -> Iterator[None]:
    """Tell a checkpoint's errors as the input errors that they are."""
    try:
        yield
    except CheckpointError as error:
        raise InputError(str(error)) from error


def _note_unused_text(questions: Sequence[Question], config: MethodConfig) -> None:
    """Say once where the question file's text is not used, or lacks the phrase."""
    texts = [q.text for q in questions if q.text is not None]
    if not texts:
        return
    if config.coarse_query == "taxonomy":
        _tell(
            "the question file's text is not used: the coarse query is made from the taxonomy "
            "(--coarse-query file uses it)"
        )
    elif not all(text.strip().startswith(config.phrase) for text in texts):
        _tell(f"the question file lacks the phrase; '{config.phrase}' is put in front of its text")


def _check_images(
    request: EvaluationRequest, questions: Sequence[Question], folders: Sequence[Path]
) -> dict[str, str]:
    """Why images cannot be read, by question id; all are decoded before a model is loaded.

    Raises:
        InputError: there are such images, and they are not to be skipped.
    """
    done: set[str] = set()
    if not request.overwrite:
        done = set.intersection(*map(_finished_ids, folders))
    bad = find_bad_images([q for q in questions if q.question_id not in done], request.image_folder)
    if bad and request.on_bad_image == "stop":
        listed = "\n".join(
            f"  {request.question_file}:{b.question.line}: {b.question.image}: {b.reason}"
            for b in bad
        )
        raise InputError(
            f"{len(bad)} of {len(questions)} images cannot be read:\n{listed}\n"
            "Mend them, or record them as errors with --on-bad-image skip"
        )
    return {b.question.question_id: b.reason for b in bad}


def _finished_ids(folder: Path) -> set[str]:
    path = folder / output.PREDICTIONS
    if not path.exists():
        return set()
    try:
        return {r["question_id"] for r in read_records(path) if r["status"] != "error"}
    except ValueError as error:
        raise InputError(f"{error}; repair the line or start afresh with --overwrite") from error


def _dtypes(request: EvaluationRequest, device: torch.device) -> tuple[torch.dtype, torch.dtype]:
    dtype = devices.choose_dtype(request.dtype, device)
    if request.vision_dtype == "auto":
        return dtype, dtype
    return dtype, devices.choose_dtype(request.vision_dtype, device)


def _identity(
    request: EvaluationRequest,
    run: MethodRun,
    taxonomy: Taxonomy,
    dtype: torch.dtype,
    vision_dtype: torch.dtype,
) -> dict[str, Any]:
    """What the rows of a run depend on. Batch size, device and limit may change on resuming."""
    folder = locate(request.model_path, "model")
    return {
        "dataset": taxonomy.name,
        "method": run.method,
        "model": request.model_name,
        "preset": run.preset,
        "configuration": {
            **asdict(run.config),
            "dtype": devices.dtype_name(dtype),
            "vision_dtype": devices.dtype_name(vision_dtype),
            "save_scores": request.save_scores,
        },
        "sha256": {
            "question_file": file_sha256(request.question_file),
            "checkpoint": file_sha256(identity_file(folder)),
        },
    }


def _run(
    request: EvaluationRequest,
    model: Llava,
    questions: Sequence[Question],
    jobs: Sequence[Job],
    folders: Sequence[Path],
    missing: list[set[str]],
    taxonomy: Taxonomy,
    bad: dict[str, str],
) -> dict[str, Any]:
    """Run what is missing, appending each row as it is computed; how long it took."""
    good = [q for q in questions if q.question_id not in bad]
    wanted = set.union(*missing)
    rows_left = {key: sum(key in ids for ids in missing) for key in wanted}
    started = time.perf_counter()
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=len(rows_left), unit="image", desc="evaluating"))
        files = [
            stack.enter_context((folder / output.PREDICTIONS).open("a", encoding="utf-8"))
            for folder in folders
        ]
        batcher = Batcher(request.batch_size, tell=tqdm.write)

        def finish(result: Result) -> None:
            key = result.question.question_id
            append_records(files[result.job], [_record(result, taxonomy, request)])
            rows_left[key] -= 1
            bar.update(rows_left[key] == 0)

        for question in questions:
            for job in range(len(jobs)):
                if question.question_id in bad and question.question_id in missing[job]:
                    finish(Result(job, question, None, bad[question.question_id]))
        for result in run_questions(
            model,
            good,
            jobs,
            lambda job, q: q.question_id in missing[job],
            taxonomy,
            request.image_folder,
            batcher,
        ):
            if result.error and request.on_bad_image == "stop":
                raise RunError(f"{result.question.image}: {result.error}, since it was checked")
            finish(result)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "images": len(rows_left),
        "images_per_second": len(rows_left) / seconds,
        "batch_size": batcher.size,
        "peak_memory_gb": devices.peak_memory_gb(model.device),
    }


def _record(result: Result, taxonomy: Taxonomy, request: EvaluationRequest) -> Record:
    if result.outcome is None:
        return error_record(result.question, result.error or "")
    return record_of(result.question, result.outcome, taxonomy, save_scores=request.save_scores)


def _sum_up(
    request: EvaluationRequest,
    folder: Path,
    identity: dict[str, Any],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    timing: dict[str, Any] | None,
    environment: dict[str, Any],
) -> Path:
    """Write `accuracy.json` and the released code's files from the records on disk."""
    earlier = output.earlier_accuracy(folder)
    by_id = {r["question_id"]: r for r in read_records(folder / output.PREDICTIONS)}
    records = [by_id[q.question_id] for q in questions]
    summary = summarize(records, taxonomy)
    reported = reported_accuracy(
        taxonomy.name, request.model_name, identity["method"], identity["configuration"]
    )
    content = {
        **{k: v for k, v in identity.items() if k != "sha256"},
        "limit": request.limit,
        **summary,
        "timing": timing or earlier.get("timing"),
        "environment": environment if timing else earlier.get("environment", environment),
        "sha256": identity["sha256"],
    }
    if reported is not None and summary["accuracy"] is not None:
        content["paper"] = {"reported": reported, "difference": summary["accuracy"] - reported}
    write_released_files(folder, questions, records, taxonomy, request.model_name)
    path = folder / output.ACCURACY
    write_whole(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return path


def _tell(message: str) -> None:
    """One line for the user, beside the progress bars."""
    tqdm.write(f"note: {message}")
