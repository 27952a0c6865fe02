"""The cells of the tables of one model: computed where they are not on disk, then read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sepm.analysis.tables import CellResult, Row, Table
from sepm.datasets.locations import TaskData
from sepm.errors import InputError
from sepm.evaluation.evaluate import evaluate
from sepm.evaluation.request import EvaluationRequest
from sepm.evaluation.run_folder import PREDICTIONS, MethodRun
from sepm.inference.progress import tell
from sepm.method.config import MethodConfig
from sepm.models.opening import find_checkpoint
from sepm.records.reading import read_records
from sepm.registry import get_method


@dataclass
class Cells:
    """What there is of the tables' cells, and why the others are not there; by task and row."""

    tables: Sequence[Table]
    results: dict[str, dict[str, CellResult]] = field(default_factory=dict)
    absent: dict[tuple[str, str], str] = field(default_factory=dict)

    def leave_out(self, task: str, reason: str) -> None:
        """Note for all rows of a task why they are not there."""
        for table in self.tables:
            self.absent |= {(task, row.name): reason for row in table.rows}

    def fill(
        self,
        request: EvaluationRequest,
        config: MethodConfig,
        preset: str,
        too_deep: Mapping[str, str],
    ) -> None:
        """Compute one task's missing cells of all tables in one pass, and read all of its cells.

        Raises:
            InputError: the task's data is wrong.
            RunError: the run failed on the way.
        """
        task = request.dataset
        runs: dict[MethodRun, list[Row]] = {}
        for row in (row for t in self.tables if task in t.tasks for row in t.rows):
            if row.method in too_deep:
                self.absent[task, row.name] = too_deep[row.method]
            else:
                runs.setdefault(row.run(config, preset), []).append(row)
        content = request.read_questions()
        taxonomy, whole = content.taxonomy, content.questions
        questions = whole[: request.limit]
        tell(f"{task}: {len(questions)} images of {request.image_folder}, {len(runs)} runs")
        paths = evaluate(request, list(runs), content)
        done: dict[str, CellResult] = {}
        for path, (run, rows) in zip(paths, runs.items(), strict=True):
            records = read_records([path.parent / PREDICTIONS], taxonomy, whole, run.facts)
            result = CellResult(path.parent, [records[q.question_id] for q in questions])
            done |= {row.name: result for row in rows}
        self.results[task] = done


def methods_too_deep(
    model_path: str, tables: Sequence[Table], config: MethodConfig
) -> dict[str, str]:
    """Methods for which the model has too few decoder layers, and what to do about it.

    Raises:
        InputError: the checkpoint is not there, or of another family.
    """
    checkpoint = find_checkpoint(model_path)
    found: dict[str, str] = {}
    for method in dict.fromkeys(row.method for table in tables for row in table.rows):
        try:
            get_method(method).require_model(config, checkpoint.family, checkpoint.num_layers)
        except InputError as error:
            found[method] = str(error)
    return found


def request_for(request: EvaluationRequest, data: TaskData) -> EvaluationRequest:
    """The request, for a task's data."""
    return replace(
        request,
        dataset=data.task,
        question_file=data.question_file,
        image_folder=data.image_folder,
    )
