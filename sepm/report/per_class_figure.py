"""Figure 6: accuracy of each class under two methods, positive classes left, negative right."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sepm.analysis.accuracy import Accuracy
from sepm.analysis.stored_run import StoredRun
from sepm.method.taxonomy import POLARITIES, Taxonomy
from sepm.report.style import BLUE, DARK, ORANGE, in_legend, name_above, percent_error

BAR = 0.38
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": ORANGE, "hatch": "///", "edgecolor": "white"},
    {"color": BLUE},
)
LINE_STYLES = ((0, (5, 3)), (0, (1.5, 1.5)))
UPRIGHT_LABELS = 10
"""With more classes, their names are written downwards."""


def by_polarity(taxonomy: Taxonomy) -> list[str]:
    """Class names, the positive ones first, each half in the order of the options."""
    return [c.name for polarity in POLARITIES for c in taxonomy.of_polarity(polarity)]


def draw_per_class(reference: StoredRun, other: StoredRun) -> Figure:
    """Two bars for each class that occurs, with 95% intervals; overall as dashed lines."""
    tables = [run.summary["per_class"] for run in (reference, other)]
    names = [name for name in by_polarity(reference.taxonomy) if all(t[name]["n"] for t in tables)]
    figure = Figure(figsize=(max(5.0, 0.85 * len(names) + 1.2), 3.5), layout="constrained")
    ax = figure.subplots()
    for side, run in enumerate((reference, other)):
        _draw_bars(ax, run, names, side)
    _mark_halves(ax, reference.taxonomy, names)
    ax.set_xticks(
        range(len(names)),
        [f"{name}\nn = {tables[0][name]['n']}" for name in names],
        fontsize=8,
        rotation=90 if len(names) > UPRIGHT_LABELS else 0,
    )
    ax.tick_params(axis="x", length=0)
    ax.grid(visible=False, axis="x")
    ax.set_ylabel("accuracy of the class (%), 95% interval")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.04), ncols=4, fontsize=8)
    return figure


def _draw_bars(ax: Axes, run: StoredRun, names: Sequence[str], side: int) -> None:
    table, overall = run.summary["per_class"], run.summary["accuracy"]
    accuracies = [Accuracy(table[name]["n"], table[name]["correct"]) for name in names]
    places = [place + (side - 0.5) * BAR for place in range(len(names))]
    ax.bar(
        places,
        [100 * table[name]["accuracy"] for name in names],
        BAR,
        yerr=percent_error(accuracies),
        error_kw={"elinewidth": 1, "capsize": 2, "ecolor": DARK},
        label=in_legend(run.name),
        **LOOKS[side],
    )
    ax.axhline(
        100 * overall,
        color=LOOKS[side]["color"],
        linestyle=LINE_STYLES[side],
        linewidth=1.6,
        zorder=1.5,
        label=in_legend(f"{run.name}, all {run.summary['n']}: {100 * overall:.1f}%"),
    )


def _mark_halves(ax: Axes, taxonomy: Taxonomy, names: Sequence[str]) -> None:
    positive = sum(taxonomy.by_name(name).polarity == "positive" for name in names)
    ax.axvline(positive - 0.5, color=DARK, linewidth=0.8)
    ax.set_xlim(-0.6, len(names) - 0.4)
    if positive:
        name_above(ax, "positive", (positive - 1) / 2, fontsize=9)
    if positive < len(names):
        name_above(ax, "negative", (positive + len(names) - 1) / 2, fontsize=9)
