"""The page's tables: numbers beside the paper's, paired tests, and how the runs were made."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.compare import flat
from sepm.analysis.paired import pair_up, paired_counts, per_class_change
from sepm.analysis.stored_run import StoredRun
from sepm.report.per_class import by_polarity
from sepm.report.runs import RunGroup

MADE_OF = (
    *("preset", "configuration", "limit", "environment"),
    *("visual_tokens", "prompt_format", "sha256"),
)
"""Parts of `accuracy.json` that tell how a run was made."""

INTERVAL = "95% interval"
RESULTS = (
    "run", "n", "accuracy", INTERVAL, "paper", "minus paper", "others", "minus others",
    "macro F1", "polarity", "coarse", "ambiguous", "unread", "off-menu", "errors", "images/s",
)  # fmt: skip
COUNTS = ("unread", "off-menu", "errors")

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Table:
    """A table as the page shows it; the first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def without(self, empty: frozenset[str], names: Collection[str]) -> "Table":
        """The table without those columns of some names that hold nothing but empty cells."""
        kept = [
            i
            for i, name in enumerate(self.header)
            if name not in names or not empty.issuperset(row[i] for row in self.rows)
        ]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return replace(self, header=tuple(self.header[i] for i in kept), rows=rows)

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
    if cell == text.ABSENT:
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
    rows = tuple(_result(run) for run in group.runs)
    table = Table("Results", RESULTS, rows).without(frozenset({text.ABSENT}), RESULTS)
    table = table.without(frozenset({"0"}), COUNTS)
    never = [name for name in COUNTS if name not in table.header]
    note = (
        f"Percent, computed from the records; chance is {chance}."
        + (f" No run has any of these: {', '.join(never)}." if never else "")
        + "".join(f" The paper's: {note}." for note in notes)
        + "".join(told)
        + "".join(ways)
    )
    return replace(table, note=note)


def _result(run: StoredRun) -> tuple[str, ...]:
    """A run's row."""
    summary, coarse = run.summary, run.summary["coarse"] or {}
    accuracy, reported = summary["accuracy"], run.paper.reported if run.paper else None
    difference = None if accuracy is None or reported is None else accuracy - reported
    others = run.reported_elsewhere
    beside = others.beside(accuracy, summary["n"]) if others else {}
    speed = (run.facts.get("timing") or {}).get("images_per_second")
    return (
        text.row_label(run.name, run.method, run.configuration),
        str(summary["n"]),
        text.percent(accuracy),
        text.interval(summary["ci95"]),
        text.percent(reported),
        text.points(difference),
        text.percent(beside.get("reported")),
        text.points(beside.get("difference")),
        text.percent(summary["macro_f1"]),
        text.percent(summary["polarity_accuracy"]),
        text.percent(coarse.get("accuracy")),
        text.percent(coarse.get("ambiguous_rate")),
        str(summary["unread"]),
        str(summary["off_menu"]),
        str(summary["errors"]),
        f"{speed:.2f}" if speed else "-",
    )


def paired_tests(group: RunGroup) -> Table | None:
    """Each run against the reference, over the samples of both; None where there is one run."""
    if group.compared is None:
        return None
    reference = group.compared[0]
    others = [run for run in group.runs if run is not reference]
    return Table(
        f"Against {reference.name}, sample by sample",
        ("run", "n of both", "gained", "lost", "points", INTERVAL, "p (exact McNemar)"),
        tuple(
            (
                other.name,
                str(counts.n),
                str(counts.gained),
                str(counts.lost),
                text.points(counts.difference),
                text.points_interval(counts.interval),
                text.p_value(counts.p_value),
            )
            for other in others
            for counts in [paired_counts(pair_up(reference.records, other.records))]
        ),
    )


def calibration(group: RunGroup) -> Table:
    """Calibration of each run's final answers."""
    return Table(
        "Calibration of the final answer",
        ("run", "n", *text.CALIBRATION),
        tuple(
            (run.name, str(run.summary["n"]), *text.calibration_cells(run.summary["final"]))
            for run in group.runs
        ),
        "Probabilities of the options shown, divided by their sum; 0 for classes not shown. "
        "Brier score over all classes, from 0 to 2; the largest probability against the answer "
        "being right: ECE in ten bins, AUROC, area under the risk-coverage curve.",
    )


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
        (run.name, *(one.get(key, "-") for key in keys))
        for run, one in zip(group.runs, made, strict=True)
    )
    return Table("Settings that differ", ("run", *keys), rows) if keys else None


def _settings(group: RunGroup) -> tuple[list[dict[str, str]], list[str]]:
    """Settings of each run as text, and the names of those that are not the same in all."""
    facts = [flat({part: run.facts.get(part) for part in MADE_OF}) for run in group.runs]
    made = [{key: "-" if one is None else str(one) for key, one in parts} for parts in facts]
    names = dict.fromkeys(key for one in made for key in one)
    return made, [name for name in names if len({one.get(name) for one in made}) > 1]
