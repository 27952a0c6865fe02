"""`sepm table`: the cells of Tables 1-3 that are not on disk yet, then the tables."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sepm.analysis.table_text import as_document, as_rows
from sepm.analysis.tables import TABLES, TASKS, PaperTask, Table, TableNumber, build_table
from sepm.commands.options import (
    COMMAND,
    METHOD,
    AsJson,
    Model,
    PresetOptions,
    Run,
    Samples,
    with_settings,
)
from sepm.commands.results import write_result
from sepm.datasets.locations import TaskData, find_task
from sepm.datasets.options import DataOptions, SampleOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.evaluation.request import EvaluationRequest, RunOptions, require_files
from sepm.method.config import MethodConfig
from sepm.progress import tell
from sepm.registry import MethodRun
from sepm.terminal import show_result

if TYPE_CHECKING:
    from sepm.evaluation.table_cells import Cells


@dataclass(frozen=True, kw_only=True)
class TaskFiles:
    """Where the tasks' data lie.

    Raises:
        InputError: one of a question file and its images without the other.
    """

    tasks: tuple[PaperTask, ...] | None = None
    """Tasks that are computed [all that have data]."""
    data: Path = Path("data")
    """Holds the data sets' folders: EmoSet-118K, Emotion6, WEBEmo, testImages_abstract."""
    questions: Path = Path("question")
    """Holds TASK/stage_1.jsonl; a file that is not there is made from --data."""
    question_file: Path | None = None
    """Instead, the one task's question file."""
    image_folder: Path | None = None
    """Its images."""

    def __post_init__(self) -> None:
        if (self.question_file is None) != (self.image_folder is None):
            raise InputError("--question-file and --image-folder belong together")


@with_settings(without=("beta", "drop"))
class SharedSettings(PresetOptions):
    """A preset, and settings that all rows share."""


def run(
    numbers: Annotated[
        tuple[TableNumber, ...],
        Parameter(
            name="tables",
            help="The paper's, or 2+: Table 2 with controls and selectors without text.",
        ),
    ],
    /,
    *,
    files: Annotated[TaskFiles, Parameter(name="*", group=COMMAND)] = TaskFiles(),
    model: Model,
    samples: Samples = SampleOptions(),
    run: Run = RunOptions(),
    settings: Annotated[SharedSettings, Parameter(name="*", group=METHOD)] = SharedSettings(),
    as_json: AsJson = False,
) -> int:
    """Compute the cells of Tables 1-3 that are not on disk, print them beside the paper's numbers.

    Exit status: 0 when all that is there was computed, 1 when a task could not be.
    """
    tables = [TABLES[number] for number in dict.fromkeys(numbers)]
    config, preset = settings.config, settings.preset
    of_no_task = DataOptions(**vars(samples), question_file=Path(), image_folder=Path())
    common = EvaluationRequest(model, of_no_task, run)
    data, absent = find_data(files, tables)
    require_files(model)
    cells, failed = compute(common, tables, data, config, preset)
    if not cells.results:
        raise InputError("no task could be evaluated")  # each reason was told above
    for task, reason in absent.items():
        cells.leave_out(task, reason)
    for task in possible_tasks(tables):
        if files.tasks is not None and task not in files.tasks:
            cells.leave_out(task, "not asked for (--tasks)")
    shared = {"preset": preset, "limit": samples.limit, "configuration": asdict(config)}
    taxonomies = {task: load_taxonomy(task) for task in cells.results}
    built = [
        shared | build_table(t, common.model.name, cells.results, cells.absent, taxonomies, config)
        for t in tables
    ]
    documents = [as_document(table) for table in built]
    show_result(built, [part for document in documents for part in document], as_json=as_json)
    differing = MethodRun("sepm", config, preset).folder_name.removeprefix("sepm")
    folder = common.run.output_dir / "tables" / common.model.name
    for table, document in zip(built, documents, strict=True):
        stem = folder / f"table{table['table']}{differing}"
        write_result(stem, table, document, as_rows(table))
    return 1 if failed else 0


def compute(
    common: EvaluationRequest,
    tables: Sequence[Table],
    data: Sequence[TaskData],
    config: MethodConfig,
    preset: str,
) -> tuple["Cells", bool]:
    """The cells of all tasks, and whether a task could not be evaluated.

    Raises:
        InputError: the checkpoint is not there, or of another family.
        RunError: a run failed on the way.
    """
    from sepm.evaluation.table_cells import Cells  # imports torch
    from sepm.models.opening import start_model

    cells, failed, opened = Cells(tables), False, start_model(common.model)
    for found in data:
        try:
            cells.fill(common, found, config, preset, opened)
        except InputError as error:
            tell(f"{found.task}: {error}")
            cells.leave_out(found.task, str(error))
            failed = True
    return cells, failed


def find_data(files: TaskFiles, tables: Sequence[Table]) -> tuple[list[TaskData], dict[str, str]]:
    """The data of the tasks asked for, and why some of these have none.

    Raises:
        InputError: none has any, or `--question-file` where several tasks are wanted.
    """
    possible = possible_tasks(tables)
    wanted = [task for task in possible if files.tasks is None or task in files.tasks]
    if not wanted:
        raise InputError(
            f"these tables have no {' or '.join(files.tasks or ())}; they have "
            f"{', '.join(possible)}"
        )
    if files.question_file is not None and files.image_folder is not None:
        if len(wanted) != 1:
            raise InputError("--question-file is one task's: name it, as in --tasks emoset")
        return [TaskData(wanted[0], files.question_file, files.image_folder)], {}
    data: list[TaskData] = []
    absent: dict[str, str] = {}
    for task in wanted:
        try:
            found = find_task(task, files.data, files.questions)
        except InputError as error:
            absent[task] = str(error)
        else:
            data.append(found)
            for note in found.notes:
                tell(f"{task}: {note}")
    if not data:
        reasons = (f"{task}: {reason}" for task, reason in absent.items())
        raise InputError("\n".join(["there is no task to evaluate:", *reasons]))
    for task, reason in absent.items():
        tell(f"{task} is left out: {reason}")
    return data, absent


def possible_tasks(tables: Sequence[Table]) -> list[str]:
    """The tasks that any of the tables has, in Table 1's order."""
    return [task for task in TASKS if any(task in table.tasks for table in tables)]
