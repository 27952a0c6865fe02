"""One process's part of an evaluation: windows of questions computed, rows appended.

Windows are dealt out in turn, so which rows are computed together depends on the question file and
the window's size alone, never on how many processes there are.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sepm.datasets.question_file import Question
from sepm.errors import InputError, RunError
from sepm.evaluation import run_folder
from sepm.evaluation.plan import Machine
from sepm.evaluation.request import EvaluationRequest
from sepm.inference.auto_batch import find_batch_size
from sepm.inference.batch_size import Batcher
from sepm.inference.image_loader import worker_failures
from sepm.inference.prompt_check import check_prompts, texts_of
from sepm.inference.runner import Result, dealt, run_questions
from sepm.method.taxonomy import Taxonomy
from sepm.models.device import computing_machine, peak_memory
from sepm.models.opening import OpenedModel, start_model
from sepm.models.options import ModelOptions
from sepm.models.protocol import VisionLanguageModel
from sepm.processes import Processes, current_processes, local_index
from sepm.progress import progress_bar, tell_own
from sepm.records.folder import rows_name
from sepm.records.writing import Record, RecordFile, error_record, record_of
from sepm.registry import MethodRun

GOES_ON = "The rows before are kept, and the same command goes on from there"
"""What to do after a failure in the midst of an evaluation."""


@dataclass(frozen=True)
class Assignment:
    """An evaluation as all processes need to know it."""

    request: EvaluationRequest
    taxonomy: Taxonomy
    questions: tuple[Question, ...]
    """All of the run's whose images can be read, in the file's order: windows are cut from them."""
    runs: tuple[MethodRun, ...]
    folders: tuple[Path, ...]
    """Of each run, where its rows go."""
    missing: tuple[frozenset[str], ...]
    """Of each run, the ids of the questions whose rows are to be computed."""
    save_scores: tuple[bool, ...]
    """Of each run, whether its rows keep scores."""
    model_files: dict[str, str]
    """SHA-256 of what makes the model, as `OpenedModel.hashes` has it."""
    image_hashes: dict[str, str]
    """SHA-256 of the images, as they were when all were checked."""
    token: str
    """What the main process has just written to the first folder, so that it is known to be one."""

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the questions of which any row is to be computed."""
        return frozenset().union(*self.missing)


def carry_out(
    assignment: Assignment,
    opened: OpenedModel | None = None,
    begin: Callable[[Sequence[Machine]], None] = lambda machines: None,
) -> dict[str, Any]:
    """`timing` of `accuracy.json`: what all processes took together.

    Args:
        assignment: the same on all processes.
        opened: its model; None on all processes but the main one, which open their own.
        begin: what the main process does once the model is loaded everywhere, before any row; it
            is given what the processes compute on.

    Raises:
        InputError: the assignment cannot be carried out by a process; raised on all of them.
        RunError: this process failed on the way, or another was lost; the rows done are kept.
    """
    processes = current_processes()
    model = processes.agreed(lambda: _prepare(assignment, opened))
    machines = processes.gather(computing_machine(model.device))

    def batch_size() -> int:
        begin(machines)
        request, question = assignment.request, assignment.questions[0]
        if request.run.batch_size != "auto":
            return request.run.batch_size
        run, folder = assignment.runs[0], request.data.image_folder
        return find_batch_size(model, question, run, assignment.taxonomy, folder)

    size = processes.from_main(batch_size)
    started = time.perf_counter()
    batcher = Batcher(size, lambda note: tell_own(note, processes))
    with ExitStack() as stack:
        folders = assignment.folders
        files = processes.agreed(lambda: [stack.enter_context(_rows_file(f)) for f in folders])
        _append_rows(assignment, model, batcher, files)
    sizes, peaks = zip(*processes.gather((batcher.size, peak_memory(model.device))), strict=True)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "images": len(assignment.pending),
        "images_per_second": len(assignment.pending) / seconds,
        "batch_size": min(sizes),
        "processes": processes.count,
        "peak_memory_gb": max(peak.allocated for peak in peaks),
        "peak_reserved_gb": max(
            (p.reserved for p in peaks if p.reserved is not None), default=None
        ),
    }


def _prepare(assignment: Assignment, opened: OpenedModel | None) -> VisionLanguageModel:
    """The model, loaded once it is sure that this process has the data of the first."""
    if opened is None:
        _check_same_data(assignment)
        opened = _started_once(assignment.request.model)
        if local_index() == 0:  # which speaks for its machine; the others read the same files
            _check_same_model(assignment, opened)
    texts = texts_of(assignment.questions, assignment.request.data.question_file)
    check_prompts(opened.model, assignment.runs, assignment.taxonomy, texts)
    return opened.model


@lru_cache(maxsize=1)
def _started_once(options: ModelOptions) -> OpenedModel:
    """The model of several assignments in turn, inspected and loaded once."""
    return start_model(options)


def _check_same_data(assignment: Assignment) -> None:
    """See that results and images are those of the main process, here too."""
    output_dir, data = assignment.request.run.output_dir, assignment.request.data
    token = assignment.folders[0] / run_folder.TOKEN
    if not token.is_file() or token.read_text(encoding="utf-8") != assignment.token:
        raise InputError(
            f"{output_dir.absolute()} is not the folder that the first process writes to; "
            "machines that run together need an --output-dir that all of them share"
        )
    image = assignment.questions[0].image
    if not (data.image_folder / image).is_file():
        raise InputError(f"image {image} is not in {data.image_folder.absolute()} here")


def _check_same_model(assignment: Assignment, opened: OpenedModel) -> None:
    here, there = opened.hashes["model_files"], assignment.model_files
    differing = [name for name in here | there if here.get(name) != there.get(name)]
    if differing:
        raise InputError(
            f"model '{opened.options.model_path}' is another one here than for the first process: "
            f"{', '.join(differing)} differ"
        )


def _append_rows(
    assignment: Assignment,
    model: VisionLanguageModel,
    batcher: Batcher,
    files: Sequence[RecordFile],
) -> None:
    """Compute this process's windows, and write each row as it is made into its run's file."""
    processes = current_processes()
    mine = dealt(assignment.questions, assignment.pending, batcher.size, processes)
    rows_left = {
        q.question_id: sum(q.question_id in missing for missing in assignment.missing) for q in mine
    }
    with worker_failures(GOES_ON), _progress(assignment, rows_left, processes) as bar:
        for result in run_questions(
            model,
            mine,
            assignment.runs,
            assignment.taxonomy,
            assignment.request.data.image_folder,
            batcher,
            lambda run, question: question.question_id in assignment.missing[run],
        ):
            files[result.run].append(_record(result, assignment))
            rows_left[result.question.question_id] -= 1
            bar.update(rows_left[result.question.question_id] == 0)


@contextmanager
def _rows_file(folder: Path) -> Iterator[RecordFile]:
    """The file of a run that this process appends to, held by it alone."""
    processes = current_processes()
    with ExitStack() as stack:
        if not processes.is_main:  # which holds the whole folder
            stack.enter_context(run_folder.locked(folder, processes.index))
        yield stack.enter_context(RecordFile(folder / rows_name(processes.index)))


def _progress(assignment: Assignment, rows_left: Mapping[str, int], processes: Processes) -> tqdm:
    """The main process's bar: over all images where it is alone, else over its own share."""
    if processes.count == 1:
        return progress_bar(
            len(assignment.questions), len(assignment.questions) - len(assignment.pending)
        )
    part = sum(rows > 0 for rows in rows_left.values())
    return progress_bar(part, 0, f"share of {processes.name}", shown=processes.is_main)


def _record(result: Result, assignment: Assignment) -> Record:
    """The record of a result.

    Raises:
        RunError: the image is another one by now, or can no longer be read and such images are not
            to be skipped.
    """
    question, image_sha256 = result.question, result.image_sha256
    if result.outcome is not None:
        if image_sha256 != assignment.image_hashes[question.image]:
            raise RunError(
                f"{question.image}: another file than when the run began, or than the first "
                f"process has. {GOES_ON}"
            )
        return record_of(
            question,
            result.outcome,
            assignment.taxonomy,
            image_sha256,
            save_scores=assignment.save_scores[result.run],
            visual_tokens=result.visual_tokens,
        )
    reason = result.error or ""
    if assignment.request.data.on_bad_image == "stop":
        raise RunError(f"{question.image}: {reason}, though it could be read before the run began")
    return error_record(question, reason)
