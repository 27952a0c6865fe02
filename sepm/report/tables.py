"""The page's tables: numbers beside the paper's, paired tests, and how the runs were made."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.compare import flat
from sepm.analysis.paired import P_AND_INTERVAL, pair_up, paired_counts, per_class_change
from sepm.analysis.stored_run import StoredRun
from sepm.documents import ABSENT
from sepm.report.per_class_figure import by_polarity
from sepm.report.runs import RunGroup

MADE_OF = (
    *("preset", "configuration", "limit", "environment"),
    *("visual_tokens", "prompt_format", "sha256"),
)
"""Parts of `accuracy.json` that tell how a run was made."""

INTERVAL = "95% interval"
COUNTS = ("unread", "off-menu", "errors")

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Table:
    """A table as the page shows it; the first column names the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @property
    def csv(self) -> str:
        """The table as CSV: numbers are bare, an interval has two columns."""
        return text.as_csv([dict(_csv_cells(self.header, row)) for row in self.rows])


def _csv_cells(header: Sequence[str], row: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The cells of a row with the names of their columns."""
    for name, cell in zip(header, row, strict=True):
        if name == INTERVAL:
            ends = cell.split(" to ") if " to " in cell else (cell, cell)
            for side, end in zip(("from", "to"), ends, strict=True):
                yield f"{name}, {side}", _csv_value(end)
        else:
            yield name, _csv_value(cell)


def _csv_value(cell: str) -> Decimal | str | None:
    """A number, a text, or None for a cell without either."""
    if cell == ABSENT:
        return None
    return Decimal(cell) if NUMBER.fullmatch(cell) else cell


def results(group: RunGroup) -> Table:
    """A row for each run: its numbers, the paper's, and where they report some those of others.

    Columns without a number, and counts of what did not happen, are left out.
    """
    others = [(run.reported_elsewhere, run.summary["n"]) for run in group.runs]
    told = dict.fromkeys(f" Others, {v.source}: {v.note(n)}." for v, n in others if v)
    chance = text.percent(1 / len(group.taxonomy.classes))
    ways = [f" {run.name}, {read}." for run in group.runs if (read := text.ways_read(run.summary))]
    notes = dict.fromkeys(run.paper.note for run in group.runs if run.paper and run.paper.note)
    cells = [result_cells(run) for run in group.runs]
    never = [name for name in COUNTS if all(row[name] == "0" for row in cells)]
    empty = {name for name in cells[0] if all(row[name] == ABSENT for row in cells)}
    shown = [{k: v for k, v in row.items() if k not in {*never, *empty}} for row in cells]
    note = (
        f"Percent, computed from the records; chance is {chance}."
        + (f" No run has any of these: {', '.join(never)}." if never else "")
        + "".join(f" The paper's: {note}." for note in notes)
        + "".join(told)
        + "".join(ways)
    )
    return _table("Results", shown, note)


def result_cells(run: StoredRun) -> text.Cells:
    """A run's row, each of its cells by the heading of its column."""
    summary, coarse = run.summary, run.summary["coarse"] or {}
    accuracy, paper, others = summary["accuracy"], run.paper, run.reported_elsewhere
    beside = {
        "paper": paper.beside(accuracy) if paper else {},
        "others": others.beside(accuracy, summary["n"]) if others else {},
    }
    speed = run.fact("timing", "images_per_second") or None
    cells = {
        "run": text.row_label(run.name, run.method, run.configuration),
        "n": str(summary["n"]),
        **text.accuracy_cells(summary),
    }
    for who, found in beside.items():
        cells[who] = text.percent(found.get("reported"))
        cells[f"minus {who}"] = text.points(found.get("difference"))
    return cells | {
        "macro F1": text.percent(summary["macro_f1"]),
        "polarity": text.percent(summary["polarity_accuracy"]),
        "coarse": text.percent(coarse.get("accuracy")),
        "ambiguous": text.percent(coarse.get("ambiguous_rate")),
        **{name: str(summary[name.replace("-", "_")]) for name in COUNTS},
        "images/s": text.decimals(speed, ".2f"),
    }


def paired_tests(group: RunGroup) -> Table | None:
    """Each run against the reference, over the samples of both; None where there is one run."""
    if group.compared is None:
        return None
    reference = group.compared[0]
    others = [run for run in group.runs if run is not reference]
    rows = [
        {
            "run": other.name,
            "n of both": str(counts.n),
            "gained": str(counts.gained),
            "lost": str(counts.lost),
            "points": text.points(counts.difference),
            INTERVAL: text.interval(counts.interval, text.points),
            "p (exact McNemar)": text.p_value(counts.p_value),
        }
        for other in others
        for counts in [paired_counts(pair_up(reference.records, other.records))]
    ]
    return _table(f"Against {reference.name}, sample by sample", rows, P_AND_INTERVAL)


def calibration(group: RunGroup) -> Table:
    """Calibration of each run's final answers."""
    rows = [
        {
            "run": run.name,
            "n": str(run.summary["n"]),
            **text.calibration_cells(run.summary["final"]),
        }
        for run in group.runs
    ]
    return _table(
        "Calibration of the final answer",
        rows,
        "Probabilities of the options shown, divided by their sum; 0 for classes not shown. "
        "Brier score over all classes, from 0 to 2; the largest probability against the answer "
        "being right: ECE in ten bins, AUROC, area under the risk-coverage curve.",
    )


def _table(title: str, rows: Sequence[text.Cells], note: str = "") -> Table:
    laid_out = text.grid(rows)
    return Table(title, laid_out.header, laid_out.rows, note)


def per_class(group: RunGroup) -> Table | None:
    """Accuracy of each class in the two runs that are compared."""
    if group.compared is None:
        return None
    reference, other = group.compared
    pairs = pair_up(reference.records, other.records)
    header = ("class", "polarity", "n", reference.name, other.name, "points", "gained", "lost", "p")
    rows = tuple(
        (name, group.taxonomy.by_name(name).polarity, *text.class_cells(change))
        for name, change in per_class_change(pairs, by_polarity(group.taxonomy)).items()
    )
    return Table("Classes", header, rows)


def shared_settings(group: RunGroup) -> Table:
    """Settings that all runs share."""
    made, differing = _settings(group)
    rows = tuple((key, value) for key, value in made[0].items() if key not in differing)
    return Table("Configuration, environment and hashes of all runs", ("setting", "value"), rows)


def differing_settings(group: RunGroup) -> Table | None:
    """Settings that differ between runs; None where none does."""
    made, keys = _settings(group)
    rows = tuple(
        (run.name, *(one.get(key, ABSENT) for key in keys))
        for run, one in zip(group.runs, made, strict=True)
    )
    return Table("Settings that differ", ("run", *keys), rows) if keys else None


def _settings(group: RunGroup) -> tuple[list[dict[str, str]], list[str]]:
    """Settings of each run as text, and the names of those that are not the same in all."""
    facts = [flat({part: run.facts.get(part) for part in MADE_OF}) for run in group.runs]
    made = [{key: ABSENT if one is None else str(one) for key, one in parts} for parts in facts]
    names = dict.fromkeys(key for one in made for key in one)
    return made, [name for name in names if len({one.get(name) for one in made}) > 1]
