"""Comparison of two runs: differences between them, and samples that flipped, with the cause."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from statistics import median
from typing import Any

from sepm.analysis.accuracy import accuracy_of
from sepm.analysis.decision_changes import (
    CAUSES,
    NEAR_TIE,
    SAME_INPUT,
    answer_margin,
    both_staged,
    cause,
    shifts,
)
from sepm.analysis.paired import Pair, pair_up, paired_counts, per_class_change
from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError
from sepm.method.config import MethodConfig
from sepm.records.writing import Record
from sepm.registry import METHODS

PARTS = {
    "settings": ("dataset", "method", "preset", "configuration"),
    "inputs": ("model", "limit", "sha256"),
    "environment": ("environment",),
}
"""Groups of what may differ between two runs, and where `accuracy.json` has them."""


def compare(first: StoredRun, second: StoredRun) -> dict[str, Any]:
    """Comparison of two runs, ready for JSON; the first is the reference.

    Raises:
        InputError: they have no sample in common.
    """
    pairs = pair_up(first.records, second.records)
    if not pairs:
        raise InputError(f"{first.folder} and {second.folder} have no question in common")
    flips = [_flip(pair) for pair in pairs if pair[0]["prediction"] != pair[1]["prediction"]]
    counts = paired_counts(pairs)
    taxonomy = first.known_taxonomy
    classes = taxonomy.names if taxonomy else dict.fromkeys(a["label"] for a, _ in pairs)
    return {
        "runs": [_about(run, [pair[i] for pair in pairs]) for i, run in enumerate((first, second))],
        "differences": differences(first.facts, second.facts),
        "questions": {
            "common": len(pairs),
            "other_labels": sum(a["label"] != b["label"] for a, b in pairs),
            "other_images": sum(map(_has_other_image, pairs)),
        },
        "accuracy": counts.as_json(),
        "per_class": per_class_change(pairs, classes),
        "flips": {
            "n": len(flips),
            "directions": dict(Counter(flip["direction"] for flip in flips)),
            "causes": {c: sum(flip["cause"] == c for flip in flips) for c in CAUSES},
            "near_ties": sum(f["near_tie"] and f["cause"] == SAME_INPUT for f in flips),
            "samples": flips,
        },
        "margins": _margins(pairs),
        "branches": _branches(pairs),
        "dropped": _dropped(pairs),
        "drift": _drift(pairs),
    }


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings, inputs and environment that differ, by name: both values.

    Settings that neither method reads are left out, and whether scores were kept.
    """
    unread = {f.name for f in fields(MethodConfig)}
    for facts in (first, second):
        unread -= METHODS[facts["method"]].reads if facts["method"] in METHODS else unread
    hidden = {f"configuration.{name}" for name in (*unread, "save_scores")}
    groups: dict[str, dict[str, Any]] = {}
    for group, keys in PARTS.items():
        a, b = (dict(flat({k: facts.get(k) for k in keys})) for facts in (first, second))
        names = [name for name in dict.fromkeys([*a, *b]) if name not in hidden]
        groups[group] = {
            name: [a.get(name), b.get(name)] for name in names if a.get(name) != b.get(name)
        }
    batch_sizes = [(facts.get("timing") or {}).get("batch_size") for facts in (first, second)]
    if batch_sizes[0] != batch_sizes[1]:
        groups["environment"]["batch_size"] = batch_sizes
    # "environment" is the last command's; of a run on one kind of machine it tells all.
    several = [
        m if len(m := facts.get("machines") or ()) > 1 else None for facts in (first, second)
    ]
    if several[0] != several[1]:
        groups["environment"]["machines"] = several
    return groups


def flat(facts: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the names that lead to it: "environment.device"."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{name}{key}.")
        else:
            yield f"{name}{key}", value


def _about(run: StoredRun, rows: Sequence[Record]) -> dict[str, Any]:
    """A run by itself, its accuracy that of the common samples."""
    common, whole, paper = accuracy_of(rows), accuracy_of(run.records), run.paper
    others = run.reported_elsewhere
    return {
        "folder": str(run.folder),
        **{name: run.facts[name] for name in ("dataset", "model", "method", "preset")},
        "rows": len(run.records),
        "errors": whole.errors,
        "unread": common.unread,
        "correct": common.correct,
        "accuracy": common.fraction,
        "ci95": common.ci95,
        "paper": paper.beside(whole.fraction) if paper and whole.fraction is not None else None,
        **({"reported_elsewhere": others.beside(whole.fraction, whole.n)} if others else {}),
    }


def _has_other_image(pair: Pair) -> bool:
    """Whether the files are known to differ; records of early versions keep no hash."""
    first, second = (record.get("image_sha256") for record in pair)
    return None not in (first, second) and first != second


def _flip(pair: Pair) -> dict[str, Any]:
    """One sample whose answer changed."""
    a, b = pair
    gained, lost = b["correct"] and not a["correct"], a["correct"] and not b["correct"]
    both = "right to right" if a["correct"] else "wrong to wrong"
    margin = _smaller_margin(pair)
    return {
        "question_id": a["question_id"],
        "label": a["label"],
        "predictions": [a["prediction"], b["prediction"]],
        "direction": "gained" if gained else "lost" if lost else both,
        "cause": cause(pair),
        "margins": [answer_margin(record) for record in pair],
        "near_tie": margin is not None and margin < NEAR_TIE,
    }


def _margins(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Median of the smaller margin, of the samples that flipped and of those that did not."""
    found: dict[str, list[float]] = {"flipped": [], "not_flipped": []}
    for a, b in pairs:
        if (margin := _smaller_margin((a, b))) is not None:
            found["flipped" if a["prediction"] != b["prediction"] else "not_flipped"].append(margin)
    return {name: median(margins) if margins else None for name, margins in found.items()}


def _smaller_margin(pair: Pair) -> float | None:
    return min((m for m in map(answer_margin, pair) if m is not None), default=None)


def _branches(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """Counts of the branches that both took; None unless both have a coarse stage."""
    both = [(a["coarse"]["branch"], b["coarse"]["branch"]) for a, b in filter(both_staged, pairs)]
    if not both:
        return None
    counts = Counter(f"{a} to {b}" for a, b in both if a != b)
    same = sum(a == b for a, b in both)
    return {"n": len(both), "same": same, "agreement": same / len(both), "changes": dict(counts)}


def _dropped(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """Likeness of the dropped tokens, over the samples where both runs dropped some."""
    both = [(set(a["dropped"]), set(b["dropped"])) for a, b in pairs]
    jaccards = [len(a & b) / len(a | b) for a, b in both if a and b]
    if not jaccards:
        return None
    same, mean = jaccards.count(1), sum(jaccards) / len(jaccards)
    return {"n": len(jaccards), "same": same, "mean_jaccard": mean}


def _drift(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Changes of probabilities under the very same input, which come from arithmetic alone."""
    drift: dict[str, Any] = {"coarse": None, "fine": None}
    for stage in drift:
        moved = [found[stage] for found in map(shifts, pairs) if stage in found]
        if moved:
            drift[stage] = {"n": len(moved), "median": median(moved), "max": max(moved)}
    return drift
