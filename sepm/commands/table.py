"""`sepm table`: the cells of Tables 1-3 that are not on disk yet, then the tables."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from sepm.commands.result_files import write_result
from sepm.datasets.locations import QUESTION_FILE, TaskData, find_task
from sepm.datasets.options import DataOptions, SampleOptions, TaskOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.evaluation.request import EvaluationRequest, RunOptions, require_files
from sepm.method.config import MethodConfig
from sepm.progress import tell
from sepm.registry import MethodRun
from sepm.terminal import show_result

if TYPE_CHECKING:
    from sepm.evaluation.table_cells import Cells

DEMO = "demo"
"""The task of the bundled scenes, which may stand in every table."""


@dataclass(frozen=True, kw_only=True)
class TaskFiles:
    """Where the tasks' data lie.

    Raises:
        InputError: one of a question file and its images without the other.
    """

    tasks: tuple[Literal[PaperTask, "demo"], ...] | None = None
    """Tasks that are computed and shown [all that have data]; demo: the bundled scenes, which the
    paper's tables do not have."""
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
    tables = asked_tables(numbers, files.tasks)
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
    wanted = tasks_of(tables)
    if files.question_file is not None and files.image_folder is not None:
        if len(wanted) != 1:
            raise InputError("--question-file is one task's: name it, as in --tasks emoset")
        require_files(
            TaskOptions(question_file=files.question_file, image_folder=files.image_folder)
        )
        return [TaskData(wanted[0], files.question_file, files.image_folder)], {}
    data: list[TaskData] = []
    absent: dict[str, str] = {}
    for task in wanted:
        try:
            found = (
                find_demo(files) if task == DEMO else find_task(task, files.data, files.questions)
            )
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


def find_demo(files: TaskFiles) -> TaskData:
    """The bundled scenes.

    Raises:
        InputError: they are not there.
    """
    folder = files.data / DEMO
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; --data names the one that holds {DEMO}")
    return TaskData(DEMO, folder / QUESTION_FILE, folder / "image")


def tasks_of(tables: Sequence[Table]) -> list[str]:
    """The tasks that any of the tables has, in Table 1's order."""
    return [task for task in (*TASKS, DEMO) if any(task in table.tasks for table in tables)]


def asked_tables(numbers: Sequence[TableNumber], tasks: Collection[str] | None) -> list[Table]:
    """The tables of those numbers, with the tasks asked for alone; a note tells of one without any.

    Raises:
        InputError: none of them has any.
    """
    whole = [TABLES[number] for number in dict.fromkeys(numbers)]
    if tasks is None:
        return whole
    tables = [
        replace(table, tasks=tuple(t for t in (*table.tasks, DEMO) if t in tasks))
        for table in whole
    ]
    if not tasks_of(tables):
        raise InputError(
            f"these tables have no {' or '.join(tasks)}; they have {', '.join(tasks_of(whole))}"
        )
    for table in tables:
        if not table.tasks:
            tell(f"Table {table.number} is left out: it has no {' or '.join(tasks)}")
    return [table for table in tables if table.tasks]
