"""A table as a document and as CSV, from what `sepm.analysis.tables` built."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from sepm.analysis import plain_text as text
from sepm.documents import ABSENT, Document, Grid
from sepm.method.config import PRESETS
from sepm.repository import pointer

OTHERS = {
    "reported_elsewhere": "reported",
    "reported_elsewhere_source": "source",
    "reported_elsewhere_note": "note",
}
"""Columns of what others report for a cell, and its fields."""


def as_document(table: dict[str, Any]) -> Document:
    """The table as the paper prints it, then each task with its statistics."""
    lines: list[str | Grid] = [f"# Table {table['table']}: {table['title']}", ""]
    lines += [settings_line(table)]
    if not table["model_is_the_papers"] and _has_papers_numbers(table):
        lines += [
            "",
            f"{table['model']} is not the paper's model. '{_heading(table)}' is what the paper "
            "reports for",
            f"{table['paper_model']} on the real data sets; nothing here is a reproduction of it.",
        ]
    lines += ["", *_about_others(table), _overview(table)]
    for task in table["tasks"]:
        if any("accuracy" in row["cells"][task] for row in table["rows"]):
            lines += ["", f"## {task}", "", _details(table, task), "", _calibration(table, task)]
    if table["contrasts"]:
        lines += ["", "## Other comparisons on the same images", "", _contrasts(table)]
    lines += ["", *_repeated(table)] if table["repeated"] else []
    return [*lines, "", *_absences(table), pointer("Statistics: {}.", "docs/statistics.md")]


def _has_papers_numbers(table: dict[str, Any]) -> bool:
    return any(cell["paper"] for row in table["rows"] for cell in row["cells"].values())


def settings_line(result: dict[str, Any]) -> str:
    """Settings of a result: model, preset, differences from it, and the limit."""
    preset = PRESETS[result["preset"]]
    differing = [
        f"{name} {value!r}"
        for name, value in result["configuration"].items()
        if value != getattr(preset, name)
    ]
    chosen = result["preset"] + (f", but {', '.join(differing)}" if differing else "")
    limit = result["limit"]
    first = "" if limit is None else f" Only the first {limit} questions of each task."
    return f"Model: {result['model']}. Preset: {chosen}.{first} Accuracy in percent."


def as_rows(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A flat row for every cell; accuracies and differences are fractions."""
    columns_of_others = OTHERS if _values_of_others(table) else {}
    for row, task in product(table["rows"], table["tasks"]):
        cell = row["cells"][task]
        low, high = cell.get("ci95") or (None, None)
        versus, others = cell.get("versus_zero_shot", {}), cell.get("reported_elsewhere", {})
        versus_low, versus_high = versus.get("ci95") or (None, None)
        yield {
            "table": table["table"],
            "row": row["name"],
            "task": task,
            **{name: cell.get(name) for name in ("n", "correct", "accuracy")},
            "ci95_low": low,
            "ci95_high": high,
            "paper": cell["paper"],
            "paper_model": table["paper_model"],
            **{name: cell.get(name) for name in ("paper_in_ci95", "paper_note")},
            "minus_zero_shot": versus.get("difference"),
            "minus_zero_shot_low": versus_low,
            "minus_zero_shot_high": versus_high,
            **{name: versus.get(name) for name in ("gained", "lost")},
            "p_mcnemar": versus.get("p"),
            **{name: cell.get(name) for name in ("unread", "errors", "folder", "absent")},
            **{name: cell.get("final", {}).get(name) for name in ("brier", "ece", "auroc", "aurc")},
            **{column: others.get(name) for column, name in columns_of_others.items()},
        }


def _values_of_others(table: dict[str, Any]) -> list[dict[str, Any]]:
    """What others report for the table's cells."""
    cells = (cell for row in table["rows"] for cell in row["cells"].values())
    return [cell["reported_elsewhere"] for cell in cells if "reported_elsewhere" in cell]


def _about_others(table: dict[str, Any]) -> list[str]:
    """Lines that tell whose the rows "others" are; none where there are none."""
    sources = dict.fromkeys(value["source"] for value in _values_of_others(table))
    return [line for s in sources for line in (f"'others' is {s}, not SEPM's paper.", "")]


def _overview(table: dict[str, Any]) -> Grid:
    """Rows as the paper prints them, the paper's own below each, and then those of others."""
    header = ["row", *table["tasks"], *(["average"] if "average" in table["rows"][0] else [])]
    rows: list[list[str]] = []
    for row in table["rows"]:
        cells = [row["cells"][task] for task in table["tasks"]]
        cells += [row["average"]] if "average" in row else []
        rows.append([row["name"], *(text.percent(cell.get("accuracy")) for cell in cells)])
        if any(cell["paper"] for cell in cells):
            rows.append([f"- {_heading(table)}", *(text.percent(cell["paper"]) for cell in cells)])
        others = [cell.get("reported_elsewhere", {}).get("reported") for cell in cells]
        if any(others):
            rows.append(["- others", *map(text.percent, others)])
    return Grid(header, rows)


def _details(table: dict[str, Any], task: str) -> Grid:
    versus = ("minus zero-shot", "95% interval of it", "gained / lost", "p (McNemar)")
    rows = [
        {
            "row": name,
            "n": str(cell.get("n", ABSENT)),
            **text.accuracy_cells(cell),
            _heading(table): text.percent(cell["paper"]),
            "paper in interval": {True: "yes", False: "no"}.get(cell.get("paper_in_ci95"), ABSENT),
            **text.paired_cells(cell.get("versus_zero_shot", {}), *versus),
            "unread": str(cell.get("unread", ABSENT)),
        }
        for name, cell in _cells_of(table, task).items()
    ]
    return text.grid(rows)


def _calibration(table: dict[str, Any], task: str) -> Grid:
    """Calibration of the final answers of the rows that were run."""
    rows = [
        {"calibration": name, **text.calibration_cells(cell["final"])}
        for name, cell in _cells_of(table, task).items()
        if "final" in cell
    ]
    return text.grid(rows)


def _cells_of(table: dict[str, Any], task: str) -> dict[str, Any]:
    return {row["name"]: row["cells"][task] for row in table["rows"]}


def _heading(table: dict[str, Any]) -> str:
    """Heading of the paper's numbers: for which of its models."""
    return f"paper ({table['paper_model']})"


def _contrasts(table: dict[str, Any]) -> Grid:
    headings = ("difference", "95% interval", "gained / lost", "p")
    rows = [
        {
            **{name: str(c[name]) for name in ("row", "against", "task", "n")},
            **text.paired_cells(c, *headings),
        }
        for c in table["contrasts"]
    ]
    return text.grid(rows, words=3)


def _repeated(table: dict[str, Any]) -> Iterator[str]:
    for found in table["repeated"]:
        mean, low, high = (text.percent(found[name]) for name in ("mean", "lowest", "highest"))
        first, *_, last = found["rows"]
        yield (
            f"{found['task']}, {first} to {last}: mean {mean}, standard deviation "
            f"{100 * found['sd']:.2f} points, from {low} to {high}."
        )


def _absences(table: dict[str, Any]) -> Iterator[str]:
    """Cells that are absent or not whole; a reason that holds for a whole task stands once."""
    said: list[str] = []
    for task in table["tasks"]:
        cells = _cells_of(table, task)
        reasons = {name: cell["absent"] for name, cell in cells.items() if "absent" in cell}
        if len(reasons) == len(cells) and len(set(reasons.values())) == 1:
            reasons = {"all rows": next(iter(reasons.values()))}
        said += [f"- {task}, {name}: {reason}" for name, reason in reasons.items()]
        said += [
            f"- {task}, {name}: {cell['errors']} rows could not be run and are not in n"
            for name, cell in cells.items()
            if cell.get("errors")
        ]
        noted = {cell["paper_note"]: name for name, cell in cells.items() if cell.get("paper_note")}
        said += [
            f"- {task}{f', {name}' if len(noted) > 1 else ''}, the paper's numbers: {note}"
            for note, name in noted.items()
        ]
        said += [
            f"- {task}, {name}, others: {cell['reported_elsewhere']['note']}"
            for name, cell in cells.items()
            if "reported_elsewhere" in cell
        ]
    if said:
        yield from (*said, "")
