"""Sweeps over α and β as documents and as CSV, from what `sepm.analysis.sweep` computed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.table_text import settings_line
from sepm.documents import Document, Grid
from sepm.repository import pointer


def as_document(result: dict[str, Any]) -> Document:
    """Every value of the sweeps, each with what can be said of its best."""
    lines: list[str | Grid] = [f"# Sensitivity on {result['dataset']}", "", settings_line(result)]
    for title, name, _, sweep in _sweeps(result):
        lines += ["", f"## {title}", "", _points(name, sweep["points"]), "", best_line(name, sweep)]
    return [*lines, "", pointer("Statistics: {}.", "docs/statistics.md")]


def as_summary(result: dict[str, Any]) -> Document:
    """What matters of each sweep: its best and its lowest accuracy, and the value that is set."""
    lines: list[str | Grid] = [f"# Sensitivity on {result['dataset']}", "", settings_line(result)]
    for title, name, own, sweep in _sweeps(result):
        lowest = min(sweep["points"], key=lambda point: point["correct"])["value"]
        shown = [p for p in sweep["points"] if p["value"] in (sweep["best"], lowest, own)]
        lines += ["", title, best_line(name, sweep), _points(name, shown)]
    return [*lines, "", "Shown: best, worst and set values; the files have all."]


def _sweeps(result: dict[str, Any]) -> Iterator[tuple[str, str, float, dict[str, Any]]]:
    """Title, parameter, the value that is set, and points of each sweep; its own variance first."""
    alpha, beta, drop = (result["configuration"][name] for name in ("alpha", "beta", "drop"))
    own = result["variance"]
    for variance in sorted(result["alpha"], key=lambda v: v != own):
        title = f"α at β = {beta:g}, {variance} variance"
        yield title, "α", alpha, result["alpha"][variance]
    yield f"β at α = {alpha:g}, {own} variance, dropped by {drop}", "β", beta, result["beta"]


def _points(name: str, points: Sequence[dict[str, Any]]) -> Grid:
    rows = [
        {
            name: f"{point['value']:.12g}",
            "n": str(point["n"]),
            **text.accuracy_cells(point),
            "ambiguous": text.percent(point["ambiguous_rate"]),
            "minus best": text.points(point["versus_best"]["difference"]),
            "p (McNemar)": text.p_value(point["versus_best"]["p"]),
        }
        for point in points
    ]
    return text.grid(rows)


def best_line(name: str, sweep: Mapping[str, Any]) -> str:
    """What can be said of a sweep's best value."""
    if not any(point["n"] for point in sweep["points"]):
        return "No image was answered, so no value is best."
    values, alike = [p["value"] for p in sweep["points"]], sweep["indistinguishable"]
    low, high = sweep["interval"]
    return (
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
