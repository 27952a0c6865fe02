"""Text of what `sepm.analysis.evidence` found."""

from collections.abc import Iterator, Mapping
from typing import Any

from sepm.analysis import plain_text as text
from sepm.documents import ABSENT, Document, Grid

READING = (
    "relative to chance: evidence on the dropped tokens over what as many tokens drawn by chance",
    "  hold; 1 is chance, below 1 dropping spares the evidence, above 1 it seeks it out.",
    "per image: the mean of each image's own ratio. padding aside: chance draws among tokens that",
    "  see some of the image; a ratio that is low only because padding goes is near 1 there.",
    "possible: the least and the most that so many tokens can remove, relative to chance.",
    "the evidence is: what the interval says, padding aside where that is known.",
    "Intervals are 95%, percentiles of 2000 bootstrap samples of the images.",
)


def as_document(found: Mapping[str, Any]) -> Document:
    """Runs and pairs of each model, then how to read them."""
    blocks = [line for group in found["groups"] for line in (*_group(group), "")]
    return [*blocks, "How to read it:", *(f"  {line}" for line in READING)]


def _group(group: Mapping[str, Any]) -> Iterator[str | Grid]:
    yield f"{group['dataset']}, {group['model']}"
    if group["runs"]:
        yield text.grid([_run(run) for run in group["runs"]])
    for run in group["runs"]:
        if left_out := _left_out(run):
            yield f"{run['name']}: left out {left_out}"
    for name, counts in group["not_measured"].items():
        yield f"{name}: not measured, {_left_out(counts)}"
    if group["pairs"]:
        yield "Differences relative to chance, on the same images:"
        yield text.grid([_pair(pair) for pair in group["pairs"]], words=2)


def _run(run: Mapping[str, Any]) -> text.Cells:
    return {
        "run": run["name"],
        "β": f"{run['beta']:g}",
        "accuracy": text.percent(run["accuracy"]),
        "images": str(run["images"]),
        "removed": f"{text.percent(run['evidence_removed'])} %",
        "relative to chance": _ratio(run, "relative"),
        "per image": _ratio(run, "per_image"),
        "padding aside": _ratio(run, "inside"),
        "possible": f"{run['least']:.2f} to {run['most']:.2f}",
        "the evidence is": _verdict(run),
    }


def _ratio(run: Mapping[str, Any], name: str) -> str:
    """A ratio with its interval: "0.06 (0.04-0.09)"."""
    bounds = run[f"{name}_ci95"]
    behind = f" ({text.interval(bounds, '{:.2f}'.format, '-')})" if bounds else ""
    return text.decimals(run[name], ".2f") + behind


def _verdict(run: Mapping[str, Any]) -> str:
    """What the interval says; padding aside where that is known."""
    interval = run["inside_ci95" if run["inside"] is not None else "relative_ci95"]
    if interval is None:
        return ABSENT
    if interval[0] <= 1 <= interval[1]:
        return "lost as by chance"
    return "spared" if interval[1] < 1 else "lost more than by chance"


def _left_out(counts: Mapping[str, int]) -> str:
    words = {
        "without_map": "without a map",
        "empty_map": "with an empty map",
        "nothing_dropped": "that lost no token",
        "errors": "with errors",
    }
    found = [f"{counts[key]} images {said}" for key, said in words.items() if counts[key]]
    return ", ".join(found)


def _pair(pair: Mapping[str, Any]) -> text.Cells:
    return {
        "other": pair["other"],
        "minus": pair["reference"],
        "β": f"{pair['beta']:g}",
        "images": str(pair["images"]),
        "difference": text.decimals(pair["difference"], "+.2f"),
        "95% interval": text.interval(pair["difference_ci95"], "{:+.2f}".format),
    }
