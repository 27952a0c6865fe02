"""Numbers as people read them; fractions become percent here and nowhere before."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from sepm.documents import ABSENT
from sepm.terminal import printable

FORMULA = tuple("=+-@\t\n\uff1d\uff0b\uff0d\uff20")
"""First characters of a cell that spreadsheets compute; the last four are the wide = + - @."""


def percent(fraction: float | None) -> str:
    """An accuracy: "56.24"."""
    return ABSENT if fraction is None else f"{100 * fraction:.2f}"


def interval(bounds: Sequence[float] | None, between: str = " to ") -> str:
    """An interval of accuracies: "55.51 to 56.97"."""
    return ABSENT if bounds is None else between.join(map(percent, bounds))


def points(fraction: float | None) -> str:
    """A difference of accuracies, in percentage points: "+3.47"."""
    return ABSENT if fraction is None else f"{100 * fraction:+.2f}"


def points_interval(bounds: Sequence[float] | None) -> str:
    """An interval of differences: "-0.10 to +0.62"."""
    return ABSENT if bounds is None else f"{points(bounds[0])} to {points(bounds[1])}"


def p_value(p: float | None) -> str:
    """A p-value to two digits, none below 0.0001."""
    if p is None:
        return ABSENT
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def decimals(value: float | None, form: str = ".4f") -> str:
    """A score with four decimals: "0.7859"; with the form "+.4f" a difference of two."""
    return ABSENT if value is None else format(value, form)


def decimals_interval(bounds: Sequence[float] | None, form: str = ".4f") -> str:
    """An interval of scores: "0.7308 to 0.8416"."""
    return ABSENT if bounds is None else " to ".join(decimals(end, form) for end in bounds)


CALIBRATION = ("Brier", "ECE", "AUROC", "AURC")
"""Headings of `calibration_cells`."""


def calibration_cells(final: Mapping[str, float | None]) -> list[str]:
    """Cells of `final` of `accuracy.json`."""
    return [decimals(final[name]) for name in ("brier", "ece", "auroc", "aurc")]


def paired_cells(counts: Mapping[str, Any] | None) -> list[str]:
    """Cells of a paired difference: points, 95% interval, gained / lost, p; dashes without one."""
    if counts is None:
        return [ABSENT] * 4
    difference = [points(counts["difference"]), points_interval(counts["ci95"])]
    return [*difference, f"{counts['gained']} / {counts['lost']}", p_value(counts["p"])]


def class_cells(change: Mapping[str, Any]) -> list[str]:
    """Cells of a class in two runs: n, both accuracies, points, gained, lost, p."""
    return [
        str(change["n"]),
        percent(change["reference"]),
        percent(change["accuracy"]),
        points(change["change"]),
        str(change["gained"]),
        str(change["lost"]),
        p_value(change["p"]),
    ]


def ways_read(summary: Mapping[str, Any]) -> str | None:
    """Ways in which a run's answers were read, by stage; None: all of them were bare letters."""
    stages = {"fine": summary["answers"], "coarse": (summary["coarse"] or {}).get("answers")}
    told = [
        f"{stage}: {ways['letter']} bare letters, {ways['text']} read from text, "
        f"{_by_mean(ways)}{ways['unread']} unread"
        for stage, ways in stages.items()
        if ways and (ways["text"] or ways["unread"])
    ]
    return "; ".join(told) or None


def _by_mean(ways: Mapping[str, int]) -> str:
    return f"{ways['mean']} by the mean of all orders, " if "mean" in ways else ""


def row_label(name: str, method: str, configuration: Mapping[str, Any]) -> str:
    """A run's name as its results are headed: of SparseVLM with its version and its budget."""
    if method != "sparsevlm":
        return name
    version, budget = configuration["sparsevlm_version"], configuration["retain"]
    return f"{name} (version {version}, {budget} tokens)"


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows under the columns of the first; None is an empty cell.

    A text that a spreadsheet would run as a formula gets a "'" in front, which shows it as text;
    control characters are written out.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value as a cell that stays in its row and is never computed."""
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.startswith(FORMULA) else printable(value)
