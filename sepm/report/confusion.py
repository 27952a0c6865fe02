"""Confusion matrix of a run: which class is taken for which."""

from itertools import product

from matplotlib.figure import Figure

from sepm.analysis.stored_run import StoredRun
from sepm.report.per_class import by_polarity
from sepm.report.style import DARK

DARK_FROM = 0.55
"""Share of the row from which on a cell is dark enough for white numbers."""


def draw_confusion(run: StoredRun) -> Figure:
    """Counts, coloured by their share of the row; positive classes first; `unread` if there are."""
    rows = by_polarity(run.taxonomy)
    stored = run.summary["confusion"]
    columns = [*rows, *(stored["predictions"][-1:] if run.summary["unread"] else [])]
    counts = {
        (label, prediction): count
        for label, line in zip(stored["labels"], stored["counts"], strict=True)
        for prediction, count in zip(stored["predictions"], line, strict=True)
    }
    totals = {label: run.summary["per_class"][label]["n"] for label in rows}
    shares = [[counts[row, c] / max(totals[row], 1) for c in columns] for row in rows]
    size = (0.55 * len(columns) + 2.4, 0.45 * len(rows) + 1.6)
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    image = ax.imshow([[100 * s for s in line] for line in shares], "Blues", vmin=0, vmax=100)
    for (y, row), (x, column) in product(enumerate(rows), enumerate(columns)):
        color = "white" if shares[y][x] > DARK_FROM else DARK
        count = str(counts[row, column])
        ax.text(x, y, count, ha="center", va="center", color=color, fontsize=8)
    border = len(run.taxonomy.of_polarity("positive")) - 0.5
    ax.axhline(border, color=DARK, linewidth=0.8)
    ax.axvline(border, color=DARK, linewidth=0.8)
    ax.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=8)
    ax.set_yticks(range(len(rows)), [f"{row} ({totals[row]})" for row in rows], fontsize=8)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(f"prediction of {run.name}, n = {run.summary['n']} images")
    ax.set_ylabel("label (n)")
    figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, label="share of the row (%)")
    return figure
