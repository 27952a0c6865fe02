"""Figure 3: accuracy over the confidence threshold α and over the drop ratio β."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sepm.analysis.accuracy import Accuracy, accuracy_of
from sepm.analysis.paper_values import paper_value
from sepm.analysis.stored_run import StoredRun
from sepm.method.config import PRESETS
from sepm.report.runs import RunGroup, labels
from sepm.report.style import DARK, LINES, name_above
from sepm.report.sweeps import Sweep, SweepPoint

Setting = Literal["alpha", "beta"]
AXIS_LABELS: dict[Setting, str] = {
    "alpha": "confidence threshold α (variance of p_A, p_B)",
    "beta": "drop ratio β (share of visual tokens)",
}
SYMBOLS: dict[Setting, str] = {"alpha": "α", "beta": "β"}


@dataclass(frozen=True)
class Point:
    """One run on a curve."""

    value: float
    """α or β."""
    accuracy: Accuracy
    """Counts of one image or more."""
    reported: float | None
    """The paper's accuracy, a fraction."""


@dataclass(frozen=True)
class Curve:
    """Runs that differ in one setting alone."""

    label: str
    points: tuple[Point, ...]
    """Ascending by value."""
    default: float
    """The preset's value."""


def curves(runs: Sequence[StoredRun], setting: Setting) -> list[Curve]:
    """The curves over a setting that some runs make, each of two values or more."""
    together: dict[str, list[StoredRun]] = defaultdict(list)
    for run in runs:
        if run.summary["n"]:
            together[_all_but(run, setting)].append(run)
    lines = [sorted(line, key=lambda r: r.configuration[setting]) for line in together.values()]
    lines = [line for line in lines if len({r.configuration[setting] for r in line}) > 1]
    names = labels([line[0] for line in lines], besides=setting)
    defaults = [getattr(PRESETS[line[0].facts["preset"]], setting) for line in lines]
    return [
        Curve(name, tuple(_point(run, setting) for run in line), default)
        for name, line, default in zip(names, lines, defaults, strict=True)
    ]


def swept_curves(sweeps: Sequence[Sweep], setting: Setting) -> list[Curve]:
    """The curves that `sepm sensitivity` has found, α under each run's own variance."""
    made: list[Curve] = []
    for sweep in sweeps:
        found = sweep.beta if setting == "beta" else sweep.alpha.get(sweep.variance)
        stored = found.points if found else ()
        points = tuple(_swept_point(sweep, setting, point) for point in stored if point.n)
        if len(points) > 1:
            default = getattr(PRESETS[sweep.preset], setting)
            made.append(Curve(f"sepm ({sweep.preset})", points, default))
    return made


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
        shares = [100 * (p.accuracy.fraction or 0) for p in curve.points]
        ax.plot(values, shares, label=curve.label, **look)
        ends = zip(*(p.accuracy.ci95 or (0, 0) for p in curve.points), strict=True)
        low, high = ([100 * end for end in side] for side in ends)
        ax.fill_between(values, low, high, color=look["color"], alpha=0.15, linewidth=0)
        known = [(p.value, 100 * p.reported) for p in curve.points if p.reported is not None]
        if known:
            ax.plot(*zip(*known, strict=True), "*", color=DARK, markersize=11, label="paper")
    for default in sorted({curve.default for curve in found}):
        ax.axvline(default, color=DARK, linewidth=1, linestyle="--")
        name_above(ax, f"default {SYMBOLS[setting]} = {default:g}", default, fontsize=8)
    ns = sorted({point.accuracy.n for curve in found for point in curve.points})
    ax.set_xlabel(f"{AXIS_LABELS[setting]}\nn = {', '.join(map(str, ns))} images each")
    if len(found) > 1 or any(p.reported is not None for c in found for p in c.points):
        ax.legend(fontsize=8)


def _point(run: StoredRun, setting: Setting) -> Point:
    reported = run.paper.reported if run.paper else None
    return Point(run.configuration[setting], accuracy_of(run.records), reported)


def _swept_point(sweep: Sweep, setting: Setting, point: SweepPoint) -> Point:
    configuration = {**sweep.configuration, setting: point.value}
    paper = paper_value(sweep.dataset, sweep.model, "sepm", configuration, point.n)
    return Point(point.value, Accuracy(point.n, point.correct), paper.reported if paper else None)


def _all_but(run: StoredRun, setting: Setting) -> str:
    """Identity of a run, but for one setting and for whether it kept its scores."""
    others = {k: v for k, v in run.configuration.items() if k not in (setting, "save_scores")}
    return repr((run.method, run.facts["preset"], run.facts["sha256"], others))
