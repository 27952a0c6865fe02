"""Figure 5: how often the coarse answer is right at each confidence, and where the gate stands."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sepm.analysis.calibration import confidence_bins
from sepm.analysis.metrics import coarse_is_correct, wilson_interval
from sepm.method.confidence import MAXIMUM_CONFIDENCE
from sepm.report.runs import Run
from sepm.report.style import BLUE, DARK, GREY, SKY, percent_error

GATES = {
    "at-most": "ambiguous at or below α = {:g}",
    "below": "ambiguous below α = {:g}",
    "never": "no gate",
}


def coarse_bins(run: Run) -> list[dict[str, float]]:
    """`from`, `to`, `n` and `correct` of the coarse answer per bin of the run's own variance."""
    records = run.staged
    right = [coarse_is_correct(r, run.taxonomy) for r in records]
    table = confidence_bins(
        [r["coarse"]["confidence"] for r in records],
        right,
        right,
        MAXIMUM_CONFIDENCE[run.configuration["variance"]],
    )
    return [
        {
            "from": row["from"],
            "to": row["to"],
            "n": row["n"],
            "correct": round((row["coarse_accuracy"] or 0) * row["n"]),
        }
        for row in table
    ]


def draw_confidence(run: Run) -> Figure | None:
    """Accuracy per bin above, counts below; None where the run has no coarse stage."""
    if not run.staged:
        return None
    bins = coarse_bins(run)
    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
    _draw_accuracy(upper, bins)
    _draw_counts(lower, bins)
    _draw_gate(upper, lower, run)
    n, correct = (sum(row[key] for row in bins) for key in ("n", "correct"))
    upper.axhline(100 * correct / n, color=GREY, linestyle=":", linewidth=1.2)
    upper.set_title(f"dotted: all, {100 * correct / n:.1f}%", fontsize=9, loc="right")
    lower.set_xlabel(
        f"confidence C ({run.configuration['variance']} variance of p_A, p_B), n = {n} images"
    )
    return figure


def _draw_accuracy(ax: Axes, bins: list[dict[str, float]]) -> None:
    filled = [row for row in bins if row["n"]]
    shares = [row["correct"] / row["n"] for row in filled]
    intervals = [_interval(row) for row in filled]
    ax.errorbar(
        [(row["from"] + row["to"]) / 2 for row in filled],
        [100 * share for share in shares],
        yerr=percent_error(shares, intervals),
        xerr=[(row["to"] - row["from"]) / 2 for row in filled],
        fmt="o",
        color=BLUE,
        ecolor=BLUE,
        capsize=3,
        markersize=5,
    )
    ax.set_ylim(-3, 103)
    ax.set_ylabel("coarse answer right (%)\nwith 95% interval")


def _draw_counts(ax: Axes, bins: list[dict[str, float]]) -> None:
    width = bins[0]["to"] - bins[0]["from"]
    bars = ax.bar(
        [row["from"] for row in bins],
        [row["n"] for row in bins],
        width=width,
        align="edge",
        color=SKY,
        edgecolor="white",
    )
    ax.bar_label(bars, [f"{row['n'] or ''}" for row in bins], fontsize=7, padding=1)
    ax.set_ylim(0, 1.25 * max(row["n"] for row in bins))
    ax.set_xlim(0, bins[-1]["to"])
    ax.set_ylabel("images")


def _draw_gate(upper: Axes, lower: Axes, run: Run) -> None:
    alpha, when = run.configuration["alpha"], run.configuration["ambiguous_when"]
    upper.set_title(GATES[when].format(alpha), fontsize=9, loc="left")
    if when == "never":
        return
    for ax in (upper, lower):
        ax.axvline(alpha, color=DARK, linestyle="--", linewidth=1.2)
        ax.axvspan(0, alpha, facecolor="#F2F2F2", edgecolor="none", zorder=0)


def _interval(row: dict[str, float]) -> tuple[float, float]:
    interval = wilson_interval(int(row["correct"]), int(row["n"]))
    assert interval is not None, "empty bins are left out"
    return interval
