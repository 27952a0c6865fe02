"""Sweeps over α and β as Markdown and as CSV, from what `sepm.analysis.sweep` computed."""

from collections.abc import Iterator, Mapping
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.table_text import settings_line


def as_markdown(result: dict[str, Any]) -> str:
    """The sweeps as Markdown, each with what can be said of its best value."""
    alpha, beta, drop = (result["configuration"][name] for name in ("alpha", "beta", "drop"))
    own_variance = result["variance"]
    lines = [f"# Sensitivity on {result['dataset']}", "", settings_line(result)]
    for variance in sorted(result["alpha"], key=lambda v: v != own_variance):
        title = f"α at β = {beta:g}, {variance} variance"
        lines += ["", f"## {title}", "", *_sweep_lines("α", result["alpha"][variance])]
    title = f"β at α = {alpha:g}, {own_variance} variance, dropped by {drop}"
    lines += ["", f"## {title}", "", *_sweep_lines("β", result["beta"])]
    lines += ["", "Statistics: docs/statistics.md."]
    return "\n".join(lines) + "\n"


def _sweep_lines(name: str, sweep: dict[str, Any]) -> Iterator[str]:
    header = (name, "n", "accuracy", "95% interval", "ambiguous", "minus best", "p (McNemar)")
    yield from text.grid(
        header,
        [
            [
                f"{point['value']:.12g}",
                str(point["n"]),
                text.percent(point["accuracy"]),
                text.interval(point["ci95"]),
                text.percent(point["ambiguous_rate"]),
                text.points(point["versus_best"]["difference"]),
                text.p_value(point["versus_best"]["p"]),
            ]
            for point in sweep["points"]
        ],
    )
    values, alike = [p["value"] for p in sweep["points"]], sweep["indistinguishable"]
    low, high = sweep["interval"]
    yield ""
    yield (
        f"Best: {name} = {sweep['best']:.12g}. {len(alike)} of {len(values)} values cannot be told "
        f"from it on these images (p ≥ 0.05); without a gap, {low:.12g} to {high:.12g}."
    )


def as_rows(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A flat row for every point of the sweeps, for CSV; accuracies are fractions."""
    sweeps = [("alpha", variance, sweep) for variance, sweep in result["alpha"].items()]
    for name, variance, sweep in (*sweeps, ("beta", result["variance"], result["beta"])):
        for point in sweep["points"]:
            low, high = point["ci95"] or (None, None)
            difference = point["versus_best"]
            yield {
                "parameter": name,
                "variance": variance,
                **{k: point[k] for k in ("value", "n", "correct", "accuracy")},
                "ci95_low": low,
                "ci95_high": high,
                "ambiguous_rate": point["ambiguous_rate"],
                "minus_best": difference["difference"],
                "p_mcnemar": difference["p"],
                "indistinguishable": point["value"] in sweep["indistinguishable"],
            }
