"""The cells of the tables of one model: computed where they are not on disk, then read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sepm.analysis.tables import CellResult, Row, Table
from sepm.datasets.locations import TaskData
from sepm.errors import InputError
from sepm.evaluation.evaluate import evaluated
from sepm.evaluation.request import EvaluationRequest
from sepm.method.config import MethodConfig
from sepm.models.opening import OpenedModel
from sepm.progress import tell
from sepm.registry import MethodRun


@dataclass
class Cells:
    """Cells of the tables that there are, and reasons for the others; by task and row."""

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
        data: TaskData,
        config: MethodConfig,
        preset: str,
        opened: OpenedModel,
    ) -> None:
        """Compute one task's missing cells of all tables in one pass, and read all of its cells.

        Raises:
            InputError: the task's data is wrong.
            RunError: the run failed on the way.
        """
        task, file, folder = data.task, data.question_file, data.image_folder
        options = replace(request.data, dataset=task, question_file=file, image_folder=folder)
        runs: dict[MethodRun, list[Row]] = {}
        for row in (row for t in self.tables if task in t.tasks for row in t.rows):
            run = row.run(config, preset)
            try:
                run.require_model(opened)
            except InputError as error:
                self.absent[task, row.name] = str(error)
            else:
                runs.setdefault(run, []).append(row)
        content = options.read()
        images = len(content.questions[: options.limit])
        tell(f"{task}: {images} images of {folder}, {len(runs)} runs")
        found = evaluated(replace(request, data=options), list(runs), content, opened)
        self.results[task] = {row.name: found[run] for run, rows in runs.items() for row in rows}
