"""Whether all variants gave the same answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sepm.bench.measure import Outcomes
from sepm.bench.variants import CONFIG, SEPM, SWEEP_RUNS
from sepm.method.confidence import is_ambiguous
from sepm.method.dialogue import Outcome


@dataclass(frozen=True)
class Flip:
    """A decision that two variants took differently."""

    variant: str
    baseline: str
    run: str
    question_id: str
    decision: str
    """What was decided: coarse letter, branch, fine letter."""
    here: str | None
    there: str | None

    @property
    def is_letter(self) -> bool:
        """Whether it is an answer, and not only which query followed."""
        return self.decision.endswith("letter")


def compare_all(outcomes: Mapping[str, Outcomes]) -> dict[str, Any]:
    """Every variant against the first, and the seven runs together against the seven apart.

    Args:
        outcomes: by variant.

    Returns:
        `pairs`: for each two variants how many answers were compared, how many of them have other
        letters or other dropped tokens, the largest difference of a probability; `flips`: every
        decision that differs.
    """
    first, *others = outcomes
    pairs = [(variant, first) for variant in others]
    if {"together", "separate"} <= outcomes.keys():
        pairs.append(("together", "separate"))
    found = [_compare(pair, outcomes) for pair in dict.fromkeys(pairs)]
    return {
        "pairs": [summary for summary, _ in found],
        "flips": [vars(flip) for _, flips in found for flip in flips],
    }


def _compare(
    pair: tuple[str, str], outcomes: Mapping[str, Outcomes]
) -> tuple[dict[str, Any], list[Flip]]:
    """What two variants have in common, and the decisions that differ."""
    here, there = (outcomes[variant] for variant in pair)
    shared = [key for key in here if key in there]
    flips = [
        Flip(*pair, *key, *decision)
        for key in shared
        for decision in _differences(here[key], there[key])
    ]
    summary = {
        "variant": pair[0],
        "baseline": pair[1],
        "answers": len(shared),
        "letters": len({(f.run, f.question_id) for f in flips if f.is_letter}),
        "dropped": sum(here[key].dropped != there[key].dropped for key in shared),
        "largest_dp": max((largest_dp(here[k], there[k]) for k in shared), default=0.0),
    }
    return summary, flips


def _differences(here: Outcome, there: Outcome) -> Iterator[tuple[str, str | None, str | None]]:
    for name, of_here in _decisions(here).items():
        if of_here != (of_there := _decisions(there)[name]):
            yield name, of_here, of_there


def _decisions(outcome: Outcome) -> dict[str, str | None]:
    coarse = outcome.coarse
    return {
        "coarse letter": coarse.reply.letter if coarse else None,
        "branch": coarse.branch if coarse else None,
        "fine letter": outcome.reply.letter,
    }


def largest_dp(here: Outcome, there: Outcome) -> float:
    """Largest difference of a probability of the same letter to the same query."""
    differences = [0.0]
    if here.coarse and there.coarse:
        differences += _probability_differences(here.coarse.reply.probs, there.coarse.reply.probs)
    if here.query == there.query and here.dropped == there.dropped:
        differences += _probability_differences(here.reply.probs, there.reply.probs)
    return max(differences)


def _probability_differences(here: Mapping[str, float], there: Mapping[str, float]) -> list[float]:
    return [abs(p - there[letter]) for letter, p in here.items()]


def read_off(sweep: Outcomes) -> Outcomes:
    """SEPM's outcomes at its own α, as a sweep's two runs hold them."""
    low_run, high_run = SWEEP_RUNS
    chosen: Outcomes = {}
    for (run, question_id), low in sweep.items():
        if run == low_run:
            assert low.coarse is not None, "SEPM has a coarse stage"
            ambiguous = is_ambiguous(low.coarse.confidence, CONFIG.alpha, CONFIG.ambiguous_when)
            chosen[SEPM, question_id] = sweep[high_run, question_id] if ambiguous else low
    return chosen
