"""`sepm tasks`: what can stand behind `--dataset`."""

from sepm.datasets.tasks import class_table, task_names
from sepm.documents import Grid
from sepm.method.taxonomy import POLARITIES
from sepm.terminal import show


def run() -> int:
    """List the tasks, and their classes."""
    rows = []
    for task in task_names():
        classes = class_table(task)
        halves = (
            ", ".join(row["name"] for row in classes if row["polarity"] == polarity)
            for polarity in POLARITIES
        )
        rows.append([task, str(len(classes)), *halves])
    show(
        [
            Grid(("task", "classes", *POLARITIES), rows, words=4),
            "",
            "--dataset also takes a taxonomy file of your own (*.toml).",
        ]
    )
    return 0
