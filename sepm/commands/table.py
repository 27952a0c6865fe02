"""`sepm table`: the cells of Tables 1-3 that are not on disk yet, then the tables."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sepm.analysis.table_text import as_markdown, as_rows
from sepm.analysis.tables import TABLES, TASKS, Table, build_table
from sepm.commands.dataclass_options import add_options
from sepm.commands.shared_options import (
    add_groups,
    add_method_options,
    evaluation_request,
    method_config,
    write_result,
)
from sepm.datasets.locations import TaskData, find_task
from sepm.datasets.options import DataOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.evaluation.request import EvaluationRequest, RunOptions
from sepm.method.config import MethodConfig
from sepm.models.options import ModelOptions
from sepm.progress import tell
from sepm.registry import MethodRun
from sepm.terminal import show_result

if TYPE_CHECKING:
    from sepm.evaluation.table_cells import Cells

DECIDED_BY_TASK = ("dataset", "question_file", "image_folder")
DECIDED_BY_ROWS = ("beta", "drop")


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """Where the tasks' data lie."""

    data: Annotated[Path, "holds a folder for each data set, named as in data/README.md", "DIR"] = (
        Path("data")
    )
    questions: Annotated[
        Path, "holds TASK/stage_1.jsonl; a file that is not there is made from --data", "DIR"
    ] = Path("question")
    question_file: Annotated[Path | None, "instead, the one task's question file"] = None
    image_folder: Annotated[Path | None, "its images"] = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tables", nargs="+", type=int, choices=list(TABLES), metavar="1|2|3", help="which tables"
    )
    parser.add_argument(
        "--tasks", nargs="+", choices=TASKS, metavar="TASK", help=f"{', '.join(TASKS)} [all]"
    )
    add_options(parser, TaskOptions)
    add_groups(parser, ModelOptions, DataOptions, RunOptions, without=DECIDED_BY_TASK)
    add_method_options(parser, without=DECIDED_BY_ROWS)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 when all that is there was computed, 1 when a task could not be."""
    tables = [TABLES[number] for number in dict.fromkeys(args.tables)]
    config = method_config(args)
    common = evaluation_request(args, question_file=Path(), image_folder=Path())
    data, absent = find_data(args, tables)
    cells, failed = compute(common, tables, data, config, args.preset)
    if not cells.results:
        raise InputError("no task could be evaluated")  # each reason was told above
    for task, reason in absent.items():
        cells.leave_out(task, reason)
    for task in possible_tasks(tables):
        if args.tasks is not None and task not in args.tasks:
            cells.leave_out(task, "not asked for (--tasks)")
    settings = {"preset": args.preset, "limit": args.limit, "configuration": asdict(config)}
    taxonomies = {task: load_taxonomy(task) for task in cells.results}
    built = [
        settings
        | build_table(t, common.model.name, cells.results, cells.absent, taxonomies, config)
        for t in tables
    ]
    show_result(built, "\n".join(map(as_markdown, built)), as_json=args.json)
    differing = MethodRun("sepm", config, args.preset).folder_name.removeprefix("sepm")
    folder = common.run.output_dir / "tables" / common.model.name
    for table in built:
        stem = folder / f"table{table['table']}{differing}"
        write_result(stem, table, as_markdown(table), as_rows(table))
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
    from sepm.evaluation.table_cells import Cells, request_for  # imports torch
    from sepm.models.opening import start_model

    cells, failed, opened = Cells(tables), False, start_model(common.model)
    for found in data:
        try:
            cells.fill(request_for(common, found), config, preset, opened)
        except InputError as error:
            tell(f"{found.task}: {error}")
            cells.leave_out(found.task, str(error))
            failed = True
    return cells, failed


def find_data(
    args: argparse.Namespace, tables: Sequence[Table]
) -> tuple[list[TaskData], dict[str, str]]:
    """The data of the tasks asked for, and why some of these have none.

    Raises:
        InputError: none has any, or `--question-file` without what it needs.
    """
    possible = possible_tasks(tables)
    wanted = [task for task in possible if args.tasks is None or task in args.tasks]
    if not wanted:
        raise InputError(
            f"these tables have no {' or '.join(args.tasks or ())}; they have {', '.join(possible)}"
        )
    if (args.question_file is None) != (args.image_folder is None):
        raise InputError("--question-file and --image-folder belong together")
    if args.question_file is not None:
        if len(wanted) != 1:
            raise InputError("--question-file is one task's: name it, as in --tasks emoset")
        return [TaskData(wanted[0], args.question_file, args.image_folder)], {}
    data: list[TaskData] = []
    absent: dict[str, str] = {}
    for task in wanted:
        try:
            found = find_task(task, args.data, args.questions)
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
