"""Confusion matrices: which class is taken for which, and what another run changes in that."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from sepm.analysis.accuracy import answered
from sepm.analysis.metrics import UNREAD
from sepm.analysis.paired import pair_up
from sepm.analysis.stored_run import StoredRun
from sepm.method.taxonomy import Taxonomy, no_class
from sepm.records.writing import Record
from sepm.report.per_class_figure import by_polarity
from sepm.report.style import BLUE, DARK, GREY, ON_DARK, VERMILION

Place = tuple[str, str]
"""A label and a prediction."""


class Cell(NamedTuple):
    """What a matrix shows at a place."""

    text: str = ""
    color: str = BLUE
    strength: float = 0.0
    """Of the colour, in [0, 1]."""


DARK_FROM = 0.55
"""Strength from which on a cell is dark enough for white numbers."""
FULL_STRENGTH = 5
"""Difference from which on a cell can have its colour's full strength."""


def draw_confusion(run: StoredRun) -> Figure:
    """Counts, coloured by their share of the row; positive classes first; `unread` if there are."""
    counts = _counts(run.records, run.taxonomy)
    totals = {label: found["n"] for label, found in run.summary["per_class"].items()}
    places = product(totals, _columns(run.taxonomy, counts))
    cells = {
        place: Cell(str(counts[place]), BLUE, counts[place] / max(totals[place[0]], 1))
        for place in places
    }
    labels = {label: f"{label} ({n})" for label, n in totals.items()}
    figure, ax = _draw_matrix(run.taxonomy, cells, labels)
    ax.set_xlabel(f"prediction of {run.name}, n = {run.summary['n']} images")
    ax.set_ylabel("label (n)")
    return figure


def draw_difference(reference: StoredRun, other: StoredRun) -> Figure | None:
    """Counts of the other run less the reference's, coloured by their size.

    None without samples that both ran; others do not count.
    """
    pairs = pair_up(reference.records, other.records)
    if not pairs:
        return None
    changes = differences(reference, other)
    most = max((FULL_STRENGTH, *map(abs, changes.values())))
    cells = {place: _change_cell(change, most) for place, change in changes.items()}
    labels = {name: name for name in reference.taxonomy.names}
    figure, ax = _draw_matrix(reference.taxonomy, cells, labels)
    ax.set_xlabel(f"prediction: {other.name} − {reference.name}, n = {len(pairs)} images")
    ax.set_ylabel("label")
    return figure


def differences(reference: StoredRun, other: StoredRun) -> dict[Place, int]:
    """Counts of the other run less the reference's over the samples that both ran, but for 0."""
    pairs = pair_up(reference.records, other.records)
    before, after = (_counts(records, reference.taxonomy) for records in zip(*pairs, strict=True))
    changes = {place: after[place] - before[place] for place in before | after}
    return {place: change for place, change in changes.items() if change}


def _change_cell(change: int, most: int) -> Cell:
    text = f"{change:+d}".replace("-", "−")
    return Cell(text, BLUE if change > 0 else VERMILION, abs(change) / most)


def _counts(records: Sequence[Record], taxonomy: Taxonomy) -> Counter[Place]:
    """How often each label got each prediction; rows with errors are left out."""
    unread = no_class(UNREAD, taxonomy.names)
    return Counter((r["label"], r["prediction"] or unread) for r in answered(records))


def _columns(taxonomy: Taxonomy, places: Mapping[Place, object]) -> list[str]:
    """The classes, positive ones first, and `unread` where something is there."""
    unread = no_class(UNREAD, taxonomy.names)
    return by_polarity(taxonomy) + [unread] * any(said == unread for _, said in places)


def _draw_matrix(
    taxonomy: Taxonomy, cells: Mapping[Place, Cell], labels: Mapping[str, str]
) -> tuple[Figure, Axes]:
    """A matrix of labels, downwards, and predictions; a place without a cell is empty."""
    rows, columns = by_polarity(taxonomy), _columns(taxonomy, cells)
    shown = [[cells.get((row, column), Cell()) for column in columns] for row in rows]
    size = (0.45 * len(columns) + 1.6, 0.4 * len(rows) + 1.4)
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    ax.pcolormesh([[to_rgba(cell.color, cell.strength) for cell in line] for line in shown])
    for (y, line), x in product(enumerate(shown), range(len(columns))):
        text, _, strength = line[x]
        ink = ON_DARK if strength > DARK_FROM else GREY if text == "0" else DARK
        ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, fontsize=8)
    border = len(taxonomy.of_polarity("positive"))
    ax.axhline(border, color=DARK, linewidth=0.8)
    ax.axvline(border, color=DARK, linewidth=0.8)
    middles = [place + 0.5 for place in range(max(len(rows), len(columns)))]
    ax.set_xticks(middles[: len(columns)], columns, rotation=45, ha="right", fontsize=8)
    ax.set_yticks(middles[: len(rows)], [labels[row] for row in rows], fontsize=8)
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    return figure, ax
