"""Figure 5: accuracy of the coarse answer at each confidence, and the gate's place."""

from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sepm.analysis.accuracy import Accuracy
from sepm.analysis.calibration import BINS, in_bins
from sepm.analysis.metrics import coarse_is_correct
from sepm.analysis.stored_run import StoredRun
from sepm.method.confidence import MAXIMUM_CONFIDENCE, gate_in_words
from sepm.report.style import BLUE, DARK, GREY, SHADE, SKY, percent_error

Bin = tuple[float, float, Accuracy]
"""Both ends of a bin of the confidence, and the accuracy of the coarse answers in it."""


def coarse_bins(run: StoredRun) -> list[Bin]:
    """Bins over the whole range of the run's own variance."""
    right = [coarse_is_correct(r, run.taxonomy) for r in run.staged]
    values = [r["coarse"]["confidence"] for r in run.staged]
    maximum = MAXIMUM_CONFIDENCE[run.configuration["variance"]]
    ends = pairwise(maximum * place / BINS for place in range(BINS + 1))
    return [
        (low, high, Accuracy(len(inside), sum(right[i] for i in inside)))
        for (low, high), inside in zip(ends, in_bins(values, maximum), strict=True)
    ]


def draw_confidence(run: StoredRun) -> Figure:
    """Accuracy per bin above, counts below, of a run with a coarse stage."""
    bins = coarse_bins(run)
    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
    _draw_accuracy(upper, [found for found in bins if found[2].n])
    _draw_counts(lower, bins)
    _draw_gate(upper, lower, run)
    n, correct = (sum(getattr(a, key) for *_, a in bins) for key in ("n", "correct"))
    upper.axhline(100 * correct / n, color=GREY, linestyle=":", linewidth=1.2)
    upper.set_title(f"dotted: all, {100 * correct / n:.1f}%", fontsize=9, loc="right")
    lower.set_xlabel(
        f"confidence C ({run.configuration['variance']} variance of p_A, p_B), n = {n} images"
    )
    return figure


def _draw_accuracy(ax: Axes, filled: list[Bin]) -> None:
    accuracies = [accuracy for *_, accuracy in filled]
    ax.errorbar(
        [(low + high) / 2 for low, high, _ in filled],
        [100 * accuracy.correct / accuracy.n for accuracy in accuracies],
        yerr=percent_error(accuracies),
        xerr=[(high - low) / 2 for low, high, _ in filled],
        fmt="o",
        color=BLUE,
        ecolor=BLUE,
        capsize=3,
        markersize=5,
    )
    ax.set_ylim(-3, 103)
    ax.set_ylabel("coarse answer right (%)\nwith 95% interval")


def _draw_counts(ax: Axes, bins: list[Bin]) -> None:
    counts = [accuracy.n for *_, accuracy in bins]
    places, width = [low for low, *_ in bins], bins[0][1]  # the first one begins at 0
    bars = ax.bar(places, counts, width, align="edge", color=SKY, edgecolor="white")
    ax.bar_label(bars, [f"{count or ''}" for count in counts], fontsize=7, padding=1)
    ax.set_ylim(0, 1.25 * max(counts))
    ax.set_xlim(0, bins[-1][1])
    ax.set_ylabel("images")


def _draw_gate(upper: Axes, lower: Axes, run: StoredRun) -> None:
    alpha, when = run.configuration["alpha"], run.configuration["ambiguous_when"]
    upper.set_title(gate_in_words(when, alpha), fontsize=9, loc="left")
    if when == "never":
        return
    for ax in (upper, lower):
        ax.axvline(alpha, color=DARK, linestyle="--", linewidth=1.2)
        ax.axvspan(0, alpha, facecolor=SHADE, edgecolor="none", zorder=0)
