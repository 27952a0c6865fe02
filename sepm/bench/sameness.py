"""Comparison of the variants: whether all gave the same answers."""

from collections.abc import Mapping
from typing import Any

from sepm.bench.measure import Outcomes
from sepm.method.dialogue import Outcome


def compare_all(outcomes: Mapping[str, Outcomes]) -> dict[str, Any]:
    """Every variant against the first with the same runs, and seven runs together against apart.

    Returns:
        `pairs`: for each two variants how many answers were compared, how many of them have other
        letters or other dropped tokens, and the `flips`: the letters of both variants, coarse and
        fine, where they differ.
    """
    firsts = {variant: _first_alike(variant, outcomes) for variant in outcomes}
    pairs = [(variant, first) for variant, first in firsts.items() if first != variant]
    if {"together", "separate"} <= outcomes.keys():
        pairs.append(("together", "separate"))
    return {"pairs": [_compare(*pair, outcomes) for pair in dict.fromkeys(pairs)]}


def _first_alike(variant: str, outcomes: Mapping[str, Outcomes]) -> str:
    """The first variant that has answers of a run that this one has; it may be itself."""
    return next(other for other in outcomes if outcomes[other].keys() & outcomes[variant].keys())


def _compare(variant: str, baseline: str, outcomes: Mapping[str, Outcomes]) -> dict[str, Any]:
    """Differences of two variants over the answers that both have."""
    here, there = outcomes[variant], outcomes[baseline]
    both = [key for key in here if key in there]
    letters = [(*key, _letters(here[key]), _letters(there[key])) for key in both]
    flips = [
        {"run": run, "question_id": question_id, "here": ours, "there": theirs}
        for run, question_id, ours, theirs in letters
        if ours != theirs
    ]
    return {
        "variant": variant,
        "baseline": baseline,
        "answers": len(both),
        "letters": len(flips),
        "dropped": sum(here[key].dropped != there[key].dropped for key in both),
        "flips": flips,
    }


def _letters(outcome: Outcome) -> list[str | None]:
    replies = [outcome.coarse.reply] if outcome.coarse else []
    return [reply.letter for reply in (*replies, outcome.reply)]
