"""`sepm check`: every row of a question file and every image it names, without a model."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sepm.commands.options import COMMAND, AsJson, Task
from sepm.datasets.check import image_hashes
from sepm.datasets.files import Problem
from sepm.datasets.image_files import UnreadableImageError
from sepm.datasets.question_file import scan_questions
from sepm.datasets.tasks import load_taxonomy
from sepm.evaluation.request import require_files
from sepm.terminal import show_result


def run(
    *,
    task: Task,
    workers: Annotated[
        int | None, Parameter(help="Threads that decode [one for each processor].", group=COMMAND)
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check every row of a question file and decode its images, without a model.

    Exit status: 0 when nothing is wrong, else 2.
    """
    require_files(task)
    report = check_report(task.question_file, task.image_folder, task.dataset, workers)
    show_result(report, as_text(report), as_json=as_json)
    return 0 if report["ok"] else 2


def check_report(
    question_file: Path, image_folder: Path, dataset: str, workers: int | None
) -> dict[str, Any]:
    """Report on what was checked and all that is wrong, ready for JSON.

    Raises:
        InputError: the file, the folder or the task cannot be read at all.
    """
    taxonomy = load_taxonomy(dataset)
    questions, problems = scan_questions(question_file, taxonomy, image_folder)
    images = {question.image for question in questions}
    found = image_hashes([q.image for q in questions], images, image_folder, workers)
    bad_images = [
        {
            "line": question.line,
            "question_id": question.question_id,
            "image": question.image,
            "reason": str(found[question.image]),
        }
        for question in questions
        if isinstance(found[question.image], UnreadableImageError)
    ]
    classes = Counter(question.label for question in questions)
    return {
        "question_file": str(question_file),
        "image_folder": str(image_folder),
        "dataset": dataset,
        "ok": not problems and not bad_images,
        "hint": other_task_hint(problems, len(questions), taxonomy.name),
        "n": len(questions),
        "images": len(images),
        "classes": {name: classes[name] for name in taxonomy.names},
        "bad_rows": [{"line": problem.line, "problem": problem.what} for problem in problems],
        "bad_images": bad_images,
    }


def other_task_hint(problems: Sequence[Problem], good: int, dataset: str) -> str | None:
    """Hint for a file most of whose labels the task does not know, or None."""
    bad = {problem.line for problem in problems}
    unknown = {problem.line for problem in problems if problem.what.startswith("unknown class")}
    if 2 * len(unknown) <= good + len(bad):
        return None
    return (
        f"{len(unknown)} of {good + len(bad)} rows have a class that {dataset} does not know; "
        "where they belong to another task, name it: --dataset TASK"
    )


def as_text(report: dict[str, Any]) -> str:
    """The report as a researcher reads it, a line for everything that is wrong."""
    file, folder = report["question_file"], report["image_folder"]
    wrong = [f"{file}:{row['line']}: {row['problem']}" for row in report["bad_rows"]]
    wrong += [
        f"{file}:{bad['line']}: image '{bad['image']}' in {folder}: {bad['reason']}"
        for bad in report["bad_images"]
    ]
    counts = ", ".join(f"{name} {n}" for name, n in report["classes"].items())
    summary = (
        f"{report['n']} good rows over {report['images']} images ({counts}); "
        f"{len(report['bad_rows'])} problems in rows, {len(report['bad_images'])} rows with bad "
        "images"
    )
    return "\n".join(
        [
            *wrong,
            summary,
            *([report["hint"]] if report["hint"] else []),
            "nothing is wrong" if report["ok"] else "NOT USABLE AS IT IS",
        ]
    )
