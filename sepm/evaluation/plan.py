"""The work of an evaluation: for each run, which rows are there and which are missing."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sepm.datasets.question_file import Question, QuestionFile
from sepm.evaluation import run_folder
from sepm.evaluation.request import EvaluationRequest
from sepm.progress import tell
from sepm.records.folder import ACCURACY, IDENTITY, read_json
from sepm.records.writing import Record
from sepm.registry import MethodRun

Machine = dict[str, str]
"""What computed rows: the device's name and the libraries' versions; empty: not known."""


@dataclass(frozen=True)
class PlannedRun:
    """One run: its folder, its identity, the rows that are there and those that are not."""

    run: MethodRun
    folder: Path
    identity: dict[str, Any]
    finished: dict[str, Record]
    """Records that stay, by question id."""
    missing: frozenset[str]
    """Ids of the questions asked for that are without one."""
    covered: list[Question]
    """Questions of the results: those asked for, and those of an earlier, larger `--limit`."""
    limit: int | None
    """How many these are, where the question file has more."""
    summed_up: bool
    """Whether an earlier command got as far as `accuracy.json`, and no rows were left since."""

    def record_machines(self, machines: Sequence[Machine]) -> None:
        """Add to its identity what will compute more rows; told where others computed some.

        In half precision, rows near a tie can depend on it.
        """
        known: list[Machine] = self.identity["machines"]
        new = [m for i, m in enumerate(machines) if m not in (*known, *machines[:i])]
        if known and new:
            before, now = (" and ".join(map(_machine, each)) for each in (known, new))
            tell(f"{self.folder}: rows there were computed on {before}, others will be on {now}")
        known += new


def plan_run(
    request: EvaluationRequest,
    run: MethodRun,
    content: QuestionFile,
    identity: dict[str, Any],
    stack: ExitStack,
) -> PlannedRun:
    """The plan of a run, its folder held until the stack is left.

    Raises:
        InputError: another command is at it, or the folder holds something else, or rows or
            results that cannot be believed.
    """
    whole, options = content.questions, request.run
    folder = options.output_dir / identity["dataset"] / identity["model"] / run.folder_name
    stack.enter_context(run_folder.locked(folder))
    shards = run_folder.free_shards(folder)
    finished, earlier = {}, {}
    if not options.overwrite:
        finished = run_folder.finished_records(folder, identity, content.taxonomy, whole)
        earlier = read_json(folder / ACCURACY)
    asked = whole[: request.data.limit]
    missing = frozenset(q.question_id for q in asked) - finished.keys()
    if there := len(asked) - len(missing):
        tell(f"{folder}: {there} of {len(asked)} rows are there already")
    if len(finished.keys() | missing) > len(asked):
        tell(f"{folder}: numbers are of all {len(finished.keys() | missing)} rows of this run")
    if finished:
        identity = _going_on(folder, identity, grows=bool(missing))
    wanted = finished.keys() | missing
    covered = [question for question in whole if question.question_id in wanted]
    limit = len(covered) if len(covered) < len(whole) else None
    summed_up = bool(earlier) and not shards
    return PlannedRun(run, folder, identity, finished, missing, covered, limit, summed_up)


def _going_on(folder: Path, identity: dict[str, Any], *, grows: bool) -> dict[str, Any]:
    """The identity with which a stored run goes on; a line tells of rows by other software."""
    stored = read_json(folder / IDENTITY)
    before, now = stored.get("software") or [], identity["software"]
    if others := [made for made in before if made not in now]:
        made_by, ours = (" and ".join(map(_version, each)) for each in (others, now))
        tell(f"{folder}: rows there were made by {made_by}, not by this {ours}")
    added = [made for made in now if made not in before] if grows else []
    made_by = {"software": [*before, *added], "machines": stored.get("machines") or [{}]}
    return {**run_folder.carried_on(stored, identity), **made_by}


def _machine(machine: Machine) -> str:
    if not machine:
        return "an unknown device"
    device, torch, transformers = map(machine.get, ("device_name", "torch", "transformers"))
    return f"{device} (torch {torch}, transformers {transformers})"


def _version(software: dict[str, Any]) -> str:
    return f"sepm {software.get('version')} (commit {software.get('git_commit') or 'unknown'})"
