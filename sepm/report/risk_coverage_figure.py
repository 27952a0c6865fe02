"""Risk-coverage curves: the error rate of the surest answers, for every share of them."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from sepm.analysis.accuracy import answered
from sepm.analysis.calibration import risk_coverage
from sepm.analysis.probabilities import final_probabilities
from sepm.analysis.stored_run import StoredRun
from sepm.report.style import BLUE, DARK, GREEN, GREY, ORANGE, SKY, VERMILION, in_legend

COLOURS = (BLUE, VERMILION, GREEN, DARK, ORANGE, SKY, GREY)
STROKES = ("-", "--", "-.", ":")
"""With the colours they make 28 lines that are told apart."""
FIRST_ANSWERS = 50
"""The axis fits the curves from this part of the answers on; the first few are all or nothing."""


def final_curve(run: StoredRun) -> list[float]:
    """Error rate among the i rows of the largest final probability, for i = 1 to n."""
    rows = answered(run.records)
    stated = [max(final_probabilities(r, run.taxonomy)) for r in rows]
    return risk_coverage(stated, [bool(r["correct"]) for r in rows])


def draw_risk_coverage(runs: Sequence[StoredRun]) -> Figure:
    """A curve for each run, which has a row at least; its mean height is the AURC."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    ax = figure.subplots()
    highest = 0.0
    for place, run in enumerate(runs):
        curve = final_curve(run)
        n, aurc = len(curve), run.summary["final"]["aurc"]
        highest = max(highest, *curve[len(curve) // FIRST_ANSWERS :])
        ax.plot(
            [100 * (i + 1) / n for i in range(n)],
            [100 * error for error in curve],
            color=COLOURS[place % len(COLOURS)],
            linestyle=STROKES[place // len(COLOURS) % len(STROKES)],
            linewidth=1.4,
            label=in_legend(f"{run.name}, AURC {aurc:.4f}, n = {n}"),
        )
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 100 * min(1.0, 1.1 * highest) or None)
    ax.set_xlabel("coverage: share of the answers, the surest first (%)")
    ax.set_ylabel("risk: wrong ones among them (%)")
    ax.legend(fontsize=8)
    return figure
