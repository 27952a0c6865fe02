"""Numbers as people read them; fractions become percent here and nowhere before."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sepm.documents import ABSENT, Grid
from sepm.terminal import printable

FORMULA = tuple("=+-@\t\n\uff1d\uff0b\uff0d\uff20")
"""First characters of a cell that spreadsheets compute; the last four are the wide = + - @."""


def percent(fraction: float | None) -> str:
    """An accuracy: "56.24"."""
    return ABSENT if fraction is None else f"{100 * fraction:.2f}"


def points(fraction: float | None) -> str:
    """A difference of accuracies, in percentage points: "+3.47"."""
    return ABSENT if fraction is None else f"{100 * fraction:+.2f}"


def p_value(p: float | None) -> str:
    """A p-value to two digits, none below 0.0001."""
    if p is None:
        return ABSENT
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def decimals(value: float | None, form: str = ".4f") -> str:
    """A score with four decimals: "0.7859"; with the form "+.4f" a difference of two."""
    return ABSENT if value is None else format(value, form)


def interval(
    bounds: Sequence[float] | None,
    form: Callable[[float], str] = percent,
    between: str = " to ",
) -> str:
    """An interval of accuracies, or of numbers of another form: "55.51 to 56.97"."""
    return ABSENT if bounds is None else between.join(map(form, bounds))


Cells = dict[str, str]
"""Cells of a row by the headings of their columns."""


def grid(rows: Sequence[Cells], words: int = 1) -> Grid:
    """A table of one row or more, whose first `words` columns are of text."""
    return Grid(tuple(rows[0]), [list(row.values()) for row in rows], words)


def accuracy_cells(counts: Mapping[str, Any], between: str = " to ") -> Cells:
    """Cells of an accuracy; dashes where there is none."""
    return {
        "accuracy": percent(counts.get("accuracy")),
        "95% interval": interval(counts.get("ci95"), between=between),
    }


def calibration_cells(final: Mapping[str, float | None]) -> Cells:
    """Cells of `final` of `accuracy.json`."""
    return {name: decimals(final[name.lower()]) for name in ("Brier", "ECE", "AUROC", "AURC")}


def paired_cells(counts: Mapping[str, Any], *headings: str) -> Cells:
    """Cells of a paired difference: points, 95% interval, gained / lost, p; dashes without one."""
    sides = f"{counts['gained']} / {counts['lost']}" if counts else ABSENT
    bounds = interval(counts.get("ci95"), points)
    cells = (points(counts.get("difference")), bounds, sides, p_value(counts.get("p")))
    return dict(zip(headings, cells, strict=True))


def paired_words(counts: Mapping[str, Any]) -> str:
    """A paired difference in words, with its interval, its two sides and its p."""
    p = p_value(counts["p"])
    return (
        f"{points(counts['difference'])} points (95% interval {interval(counts['ci95'], points)}; "
        f"{counts['gained']} gained, {counts['lost']} lost; "
        f"exact McNemar p {p if p.startswith('<') else f'= {p}'})"
    )


def class_cells(change: Mapping[str, Any]) -> list[str]:
    """Cells of a class in two runs: n, both accuracies, points, gained, lost, p."""
    accuracies = [percent(change[run]) for run in ("reference", "accuracy")]
    sides = [str(change[side]) for side in ("gained", "lost")]
    return [str(change["n"]), *accuracies, points(change["change"]), *sides, p_value(change["p"])]


def ways_read(summary: Mapping[str, Any]) -> str | None:
    """Ways in which a run's answers were read, by stage; None: all of them were bare letters."""
    stages = {"fine": summary["answers"], "coarse": (summary["coarse"] or {}).get("answers")}
    words = {
        "letter": "bare letters",
        "text": "read from text",
        "mean": "by the mean of all orders",
    }
    told = [
        f"{stage}: {', '.join(f'{n} {words.get(way, way)}' for way, n in ways.items())}"
        for stage, ways in stages.items()
        if ways and (ways["text"] or ways["unread"])
    ]
    return "; ".join(told) or None


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
