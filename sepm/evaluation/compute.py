"""One process's share of an evaluation: windows of questions computed, rows appended.

Windows are dealt out in turn, so which rows are computed together depends on the question file and
the window's size alone, never on how many processes there are.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava import Llava
from sepm.datasets.question_file import Question
from sepm.errors import InputError, RunError
from sepm.evaluation import run_folder
from sepm.evaluation.request import EvaluationRequest
from sepm.evaluation.run_folder import MethodRun
from sepm.inference.auto_batch import find_batch_size
from sepm.inference.batch_size import Batcher
from sepm.inference.device import choose_device, peak_memory, prepare_device
from sepm.inference.image_loader import worker_failures
from sepm.inference.processes import Processes, current_processes, local_index
from sepm.inference.progress import progress_bar, tell_own
from sepm.inference.prompt_check import check_prompts, texts_of
from sepm.inference.runner import dealt, run_questions
from sepm.inference.window import Job, Result, jobs_of
from sepm.method.taxonomy import Taxonomy
from sepm.models.opening import (
    check_option_letters,
    checkpoint_hashes,
    find_checkpoint,
    load_model,
)
from sepm.records.record import Record, RecordFile, error_record, record_of

GOES_ON = "The rows before are kept, and the same command goes on from there"
"""What to do after a failure in the midst of an evaluation."""


@dataclass(frozen=True)
class Order:
    """What all processes need to know of an evaluation."""

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
    """SHA-256 of what makes the model, as `checkpoint_hashes` has it."""
    image_hashes: dict[str, str]
    """SHA-256 of the images, as they were when all were checked."""
    token: str
    """What the main process has just written to the first folder, so that it is known to be one."""

    @property
    def jobs(self) -> list[Job]:
        """The methods to run."""
        return jobs_of(self.runs)

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the questions of which any row is to be computed."""
        return frozenset().union(*self.missing)


def carry_out(
    order: Order, begin: Callable[[], None] = lambda: None
) -> tuple[Llava, dict[str, Any]]:
    """The model, and `timing` of `accuracy.json`: what all processes took together.

    Args:
        order: the same on all processes.
        begin: what the main process does once the model is loaded everywhere, before any row.

    Raises:
        InputError: the order cannot be carried out by a process; raised on all of them.
        RunError: this process failed on the way, or another was lost; the rows done are kept.
    """
    processes = current_processes()
    model = processes.agreed(lambda: _prepare(order, processes))

    def batch_size() -> int:
        begin()
        return _batch_size(order, model)

    size = processes.from_main(batch_size)
    started = time.perf_counter()
    batcher = Batcher(size, lambda note: tell_own(note, processes))
    _append_rows(order, model, batcher, processes)
    sizes, peaks = zip(*processes.gather((batcher.size, peak_memory(model.device))), strict=True)
    seconds = time.perf_counter() - started
    return model, {
        "seconds": seconds,
        "images": len(order.pending),
        "images_per_second": len(order.pending) / seconds,
        "batch_size": min(sizes),
        "processes": processes.count,
        "peak_memory_gb": max(peak.allocated for peak in peaks),
        "peak_reserved_gb": max(
            (p.reserved for p in peaks if p.reserved is not None), default=None
        ),
    }


def load(request: EvaluationRequest, taxonomy: Taxonomy) -> Llava:
    """The model of a request, sure to have a token for each option letter of the task.

    Raises:
        InputError: it cannot be loaded, or has not.
    """
    model = load_model(
        request.model_path,
        request.device,
        request.dtype,
        request.vision_dtype,
        request.conversation,
    )
    check_option_letters(model, taxonomy)
    return model


def _prepare(order: Order, processes: Processes) -> Llava:
    """The model, loaded once it is sure that this process has the data of the first.

    Raises:
        InputError: it has not, or the model cannot be loaded, asked or answer.
    """
    if not processes.is_main:  # where the command has begun with it
        prepare_device(choose_device(order.request.device))
        _check_same_data(order)
    model = load(order.request, order.taxonomy)
    texts = texts_of(order.questions, order.request.question_file)
    check_prompts(model, order.jobs, order.taxonomy, texts)
    return model


def _check_same_data(order: Order) -> None:
    """See that results, images and checkpoint are those of the main process, here too.

    Raises:
        InputError: they are not; the message says which.
    """
    request, image = order.request, order.questions[0].image
    token = order.folders[0] / run_folder.TOKEN
    if not token.is_file() or token.read_text(encoding="utf-8") != order.token:
        raise InputError(
            f"{request.output_dir.absolute()} is not the folder that the first process writes to; "
            "machines that run together need an --output-dir that all of them share"
        )
    if not (request.image_folder / image).is_file():
        raise InputError(f"image {image} is not in {request.image_folder.absolute()} here")
    if local_index() == 0:  # which speaks for its machine; the others read the same files
        _check_same_model(order)


def _check_same_model(order: Order) -> None:
    request = order.request
    checkpoint = find_checkpoint(request.model_path, request.conversation)
    here, there = checkpoint_hashes(checkpoint)["model_files"], order.model_files
    differing = [name for name in here | there if here.get(name) != there.get(name)]
    if differing:
        raise InputError(
            f"model '{request.model_path}' is another one here than for the first process: "
            f"{', '.join(differing)} differ"
        )


def _batch_size(order: Order, model: Llava) -> int:
    """The size asked for, or the fastest on this device."""
    wanted = order.request.batch_size
    if wanted != "auto":
        return wanted
    return find_batch_size(
        model, order.questions[0], order.jobs[0], order.taxonomy, order.request.image_folder
    )


def _append_rows(order: Order, model: Llava, batcher: Batcher, processes: Processes) -> None:
    """Compute this process's windows, and write each row as it is made."""
    mine = dealt(order.questions, order.pending, batcher.size, processes)
    rows_left = {
        q.question_id: sum(q.question_id in missing for missing in order.missing) for q in mine
    }
    with worker_failures(GOES_ON), ExitStack() as stack:
        files = [stack.enter_context(_rows_file(f, processes)) for f in order.folders]
        bar = stack.enter_context(_progress(order, rows_left, processes))
        for result in run_questions(
            model,
            mine,
            order.jobs,
            lambda job, question: question.question_id in order.missing[job],
            order.taxonomy,
            order.request.image_folder,
            batcher,
        ):
            files[result.job].append(_record(result, order))
            rows_left[result.question.question_id] -= 1
            bar.update(rows_left[result.question.question_id] == 0)


@contextmanager
def _rows_file(folder: Path, processes: Processes) -> Iterator[RecordFile]:
    """The file of a run that this process appends to, held by it alone."""
    with ExitStack() as stack:
        if not processes.is_main:  # which holds the whole folder
            stack.enter_context(run_folder.locked(folder, processes.index))
        yield stack.enter_context(RecordFile(folder / run_folder.rows_name(processes.index)))


def _progress(order: Order, rows_left: Mapping[str, int], processes: Processes) -> tqdm:
    """The main process's bar: over all images where it is alone, else over its own share."""
    if processes.count == 1:
        return progress_bar(len(order.questions), len(order.questions) - len(order.pending))
    share = sum(rows > 0 for rows in rows_left.values())
    return progress_bar(share, 0, f"share of {processes.name}", shown=processes.is_main)


def _record(result: Result, order: Order) -> Record:
    """The record of a result.

    Raises:
        RunError: the image is another one by now, or can no longer be read and such images are not
            to be skipped.
    """
    question, image_sha256 = result.question, result.image_sha256
    if result.outcome is not None:
        if image_sha256 != order.image_hashes[question.image]:
            raise RunError(
                f"{question.image}: another file than when the run began, or than the first "
                f"process has. {GOES_ON}"
            )
        save_scores = order.save_scores[result.job]
        return record_of(
            question, result.outcome, order.taxonomy, image_sha256, save_scores=save_scores
        )
    reason = result.error or ""
    if order.request.on_bad_image == "stop":
        raise RunError(f"{question.image}: {reason}, though it could be read before the run began")
    return error_record(question, reason)
