"""One evaluation from end to end: check, deal out, compute, sum up."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from sepm import __version__
from sepm.analysis.tables import CellResult
from sepm.datasets.check import ImageHashes
from sepm.datasets.files import write_whole
from sepm.datasets.image_files import UnreadableImageError
from sepm.datasets.question_file import Question, QuestionFile
from sepm.evaluation import run_folder
from sepm.evaluation.accuracy_file import Measured, write_results
from sepm.evaluation.assignment import Assignment, carry_out
from sepm.evaluation.plan import Machine, PlannedRun, plan_run
from sepm.evaluation.preflight import check_images, note_no_scores, note_text_use
from sepm.evaluation.request import EvaluationRequest
from sepm.inference.prompt_check import check_option_letters, possible_queries
from sepm.method.dialogue import Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.device import dtype_name, environment
from sepm.models.opening import OpenedModel
from sepm.processes import current_processes
from sepm.records.folder import PREDICTIONS
from sepm.records.reading import read_records
from sepm.records.writing import RecordFile, error_record
from sepm.registry import MethodRun


def evaluate(
    request: EvaluationRequest,
    runs: Sequence[MethodRun],
    content: QuestionFile,
    opened: OpenedModel,
) -> dict[MethodRun, Path]:
    """Folder of each run, with its `accuracy.json` written.

    What is not on disk is computed; all runs share one pass over the images.

    Args:
        content: of the request's question file.
        opened: the request's model.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: the run failed on the way; the rows that were done are kept.
    """
    questions = content.questions[: request.data.limit]
    machine = environment(opened.placement, request.model.attention)
    for run in runs:
        run.require_model(opened)
    software = {"version": __version__, "git_commit": machine["git_commit"]}
    with ExitStack() as stack:
        planned = [
            plan_run(
                request, run, content, _identity(request, run, content, opened, software), stack
            )
            for run in runs
        ]
        note_text_use(questions, runs)
        if request.run.save_scores:
            note_no_scores(runs)
        missing = frozenset[str]().union(*(plan.missing for plan in planned))
        wanted = [question for question in questions if question.question_id in missing]
        hashes = check_images(request.data, wanted, planned)
        # A run that was finished before is left out. One that was cut off together with others goes
        # along although it has all its rows, so that the batches of the others stay the same.
        active = [plan for plan in planned if plan.missing or not plan.summed_up]
        work = Work(request, opened, active, questions, content.taxonomy, hashes)
        measured = work.carry_out(machine)
        for plan in planned:
            write_results(plan, content.taxonomy, work.measured_of(plan, measured))
        return {plan.run: plan.folder for plan in planned}


def evaluated(
    request: EvaluationRequest,
    runs: Sequence[MethodRun],
    content: QuestionFile,
    opened: OpenedModel,
) -> dict[MethodRun, CellResult]:
    """Folder of each run, and its records of the questions asked, all of them in memory.

    Arguments and errors are those of `evaluate`.
    """
    asked = content.questions[: request.data.limit]
    found: dict[MethodRun, CellResult] = {}
    for run, folder in evaluate(request, runs, content, opened).items():
        records = read_records([folder / PREDICTIONS], content.taxonomy, content.questions)
        found[run] = CellResult(folder, [records[q.question_id] for q in asked])
    return found


def _identity(
    request: EvaluationRequest,
    run: MethodRun,
    content: QuestionFile,
    opened: OpenedModel,
    software: dict[str, Any],
) -> dict[str, Any]:
    """Everything the rows of a run depend on; batch size, device and limit may change later."""
    return {
        "dataset": content.taxonomy.name,
        "method": run.method,
        "model": opened.name,
        "revision": opened.revision,
        "preset": run.preset,
        "configuration": {
            **asdict(run.config),
            "dtype": dtype_name(opened.placement.dtype),
            "vision_dtype": dtype_name(opened.placement.vision_dtype),
            **opened.settings,
            "save_scores": request.run.save_scores and run.has_scores,
        },
        "sha256": {
            **opened.hashes,
            "question_file": content.sha256,
            "taxonomy": hashlib.sha256(repr(content.taxonomy.classes).encode()).hexdigest(),
        },
        "software": [software],
        "machines": [],
    }


@dataclass(frozen=True)
class Work:
    """The missing rows of some runs, made by all processes together."""

    request: EvaluationRequest
    opened: OpenedModel
    runs: Sequence[PlannedRun]
    """Those with something to do."""
    questions: Sequence[Question]
    taxonomy: Taxonomy
    hashes: ImageHashes

    @cached_property
    def bad(self) -> dict[str, str]:
        """Reason why its image cannot be read, by question id."""
        return {
            q.question_id: str(self.hashes[q.image])
            for q in self.questions
            if isinstance(self.hashes.get(q.image), UnreadableImageError)
        }

    def carry_out(self, machine: dict[str, Any]) -> Measured:
        """Make the rows. No file changes before the model is loaded."""
        timing, opened = None, self.opened
        if any(plan.missing - self.bad.keys() for plan in self.runs):
            timing = self._deal_out()
        elif all(plan.summed_up for plan in self.runs):
            self._begin()
            return Measured(None, machine, None, None)
        else:
            check_option_letters(opened.model, self.taxonomy)
            self._begin()
        return Measured(timing, machine, opened.model.visual_grid, opened.prompt_format)

    def measured_of(self, plan: PlannedRun, measured: Measured) -> Measured:
        """What was measured of one run."""
        timing = measured.timing if plan.missing - self.bad.keys() else None
        prompts = None
        if measured.prompt_format is not None:  # the model is loaded
            text = self.questions[0].text
            queries = possible_queries(plan.run, Sample("", 1, text), self.taxonomy)
            stages = ("coarse", "fine") if plan.run.reads("alpha") else ("fine",)
            render = self.opened.model.render
            prompts = {s: render(query) for s, query in zip(stages, queries, strict=False)}
        return replace(measured, timing=timing, rendered_prompts=prompts)

    def _begin(self, machines: Sequence[Machine] = ()) -> None:
        """Let each folder hold the rows that stay, and those of the images that are unreadable.

        Args:
            machines: what will compute the others.
        """
        for plan in self.runs:
            unreadable = plan.missing & self.bad.keys()
            if plan.missing - unreadable:
                plan.record_machines(machines)
            run_folder.begin(plan.folder, plan.identity, plan.finished.values())
            with RecordFile(plan.folder / PREDICTIONS) as file:
                for question in self.questions:
                    if question.question_id in unreadable:
                        file.append(error_record(question, self.bad[question.question_id]))

    def _deal_out(self) -> dict[str, Any]:
        """Let all processes compute the missing rows of the questions; the timing."""
        assignment = self._assignment()
        token = assignment.folders[0] / run_folder.TOKEN
        write_whole(token, assignment.token)
        try:
            current_processes().broadcast(assignment)
            return carry_out(assignment, self.opened, self._begin)
        finally:
            token.unlink(missing_ok=True)

    def _assignment(self) -> Assignment:
        good = [question for question in self.questions if question.question_id not in self.bad]
        return Assignment(
            request=self.request,
            taxonomy=self.taxonomy,
            questions=tuple(good),
            runs=tuple(plan.run for plan in self.runs),
            folders=tuple(plan.folder for plan in self.runs),
            missing=tuple(plan.missing & {q.question_id for q in good} for plan in self.runs),
            save_scores=tuple(plan.identity["configuration"]["save_scores"] for plan in self.runs),
            model_files=self.opened.hashes["model_files"],
            image_hashes={q.image: str(self.hashes[q.image]) for q in good},
            token=uuid4().hex,
        )
