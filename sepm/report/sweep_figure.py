"""Figure 3: accuracy over the confidence threshold α and over the drop ratio β."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sepm.analysis.metrics import wilson_interval
from sepm.analysis.paper import paper_value
from sepm.method.config import PRESETS
from sepm.report.runs import Run, RunGroup, labels
from sepm.report.style import DARK, LINES
from sepm.report.sweeps import Sweep, SweepPoint

Setting = Literal["alpha", "beta"]
AXIS_LABELS: dict[Setting, str] = {
    "alpha": "confidence threshold α (variance of p_A, p_B)",
    "beta": "drop ratio β (share of visual tokens)",
}
SYMBOLS: dict[Setting, str] = {"alpha": "α", "beta": "β"}


@dataclass(frozen=True)
class Point:
    """One run on a curve; fractions."""

    value: float
    """Of α or β."""
    accuracy: float
    interval: tuple[float, float]
    n: int
    reported: float | None
    """The paper's accuracy."""


@dataclass(frozen=True)
class Curve:
    """Runs that differ in one setting alone."""

    label: str
    points: tuple[Point, ...]
    """By rising value."""
    default: float
    """The preset's value."""


def curves(runs: Sequence[Run], setting: Setting) -> list[Curve]:
    """The curves over a setting that some runs make, each of two values or more."""
    together: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.summary["n"]:
            together[_all_but(run, setting)].append(run)
    lines = [sorted(line, key=lambda r: r.configuration[setting]) for line in together.values()]
    lines = [line for line in lines if len({r.configuration[setting] for r in line}) > 1]
    names = labels([line[0] for line in lines], besides=setting)
    return [
        Curve(
            name,
            tuple(_point(run, setting) for run in line),
            getattr(PRESETS[line[0].described["preset"]], setting),
        )
        for name, line in zip(names, lines, strict=True)
    ]


def swept_curves(sweeps: Sequence[Sweep], setting: Setting) -> list[Curve]:
    """The curves that `sepm sensitivity` has found, α under each run's own variance."""
    return [
        Curve(
            f"sepm ({sweep.preset})",
            tuple(_swept_point(sweep, setting, point) for point in _sweep_of(sweep, setting)),
            getattr(PRESETS[sweep.preset], setting),
        )
        for sweep in sweeps
        if len(_sweep_of(sweep, setting)) > 1
    ]


def draw_sensitivity(group: RunGroup) -> Figure | None:
    """A panel for α and one for β, where runs differ in it; None where they do not."""
    panels: list[tuple[Setting, list[Curve]]] = [
        (setting, found)
        for setting in AXIS_LABELS
        if (found := swept_curves(group.sweeps, setting) or curves(group.runs, setting))
    ]
    if not panels:
        return None
    figure = Figure(figsize=(3.7 * len(panels), 3.1), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (setting, found) in zip(axes, panels, strict=True):
        _draw_panel(ax, setting, found)
    axes[0].set_ylabel("accuracy (%), 95% band")
    return figure


def _draw_panel(ax: Axes, setting: Setting, found: Sequence[Curve]) -> None:
    for curve, look in zip(found, LINES * len(found), strict=False):
        values = [point.value for point in curve.points]
        ax.plot(values, [100 * p.accuracy for p in curve.points], label=curve.label, **look)
        low, high = zip(*(point.interval for point in curve.points), strict=True)
        ax.fill_between(
            values,
            [100 * x for x in low],
            [100 * x for x in high],
            color=look["color"],
            alpha=0.15,
            linewidth=0,
        )
        known = [(p.value, 100 * p.reported) for p in curve.points if p.reported is not None]
        if known:
            ax.plot(*zip(*known, strict=True), "*", color=DARK, markersize=11, label="paper")
    for default in sorted({curve.default for curve in found}):
        ax.axvline(default, color=DARK, linewidth=1, linestyle="--")
        ax.annotate(
            f"default {SYMBOLS[setting]} = {default:g}",
            (default, 1.01),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontsize=8,
        )
    ns = sorted({point.n for curve in found for point in curve.points})
    ax.set_xlabel(f"{AXIS_LABELS[setting]}\nn = {', '.join(map(str, ns))} images each")
    if len(found) > 1 or any(p.reported is not None for c in found for p in c.points):
        ax.legend(fontsize=8)


def _point(run: Run, setting: Setting) -> Point:
    summary = run.summary
    return Point(
        run.configuration[setting],
        summary["accuracy"],
        summary["ci95"],
        summary["n"],
        run.paper.reported if run.paper else None,
    )


def _sweep_of(sweep: Sweep, setting: Setting) -> list[SweepPoint]:
    found = sweep.beta if setting == "beta" else sweep.alpha.get(sweep.variance)
    return [point for point in found.points if point.n] if found else []


def _swept_point(sweep: Sweep, setting: Setting, point: SweepPoint) -> Point:
    configuration = {**sweep.configuration, setting: point.value}
    value = paper_value(sweep.dataset, sweep.model, "sepm", configuration, point.n)
    interval = wilson_interval(point.correct, point.n)
    assert interval is not None, "points of no image are left out"
    reported = value.reported if value else None
    return Point(point.value, point.correct / point.n, interval, point.n, reported)


def _all_but(run: Run, setting: Setting) -> str:
    """What a run is, but for one setting and for whether it kept its scores."""
    others = {k: v for k, v in run.configuration.items() if k not in (setting, "save_scores")}
    return repr((run.method, run.described["preset"], run.described["sha256"], others))
