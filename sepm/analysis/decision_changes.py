"""Decisions that differ between two records of one sample, and how near a tie each of them was.

A margin says how far a decision was from falling the other way. Where the same query and the same
tokens give another answer, rounding explains it if the margins of both records are tiny. A decision
that only follows from an earlier one that changed proves nothing, whatever its margins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sepm.analysis.paired import Pair
from sepm.method.answers import COARSE_KEY
from sepm.records.writing import Record

Decision = Literal["coarse answer", "branch", "dropped tokens", "answer"]

NEAR_TIE = 0.05
"""Margin below which rounding, of another device or batch, may decide between two answers."""

CAUSES = ("another branch", "another query", "other tokens dropped", "nothing that the rows show")
SAME_INPUT = CAUSES[3]


@dataclass(frozen=True)
class Change:
    """One decision that differs between the reference's record of a sample and another."""

    what: Decision
    values: tuple[Any, ...]
    """The decision in each record; of dropped tokens, those that it alone dropped."""
    margins: tuple[float | None, ...]
    """Distance of each record from deciding otherwise; None where the record does not tell.

    Of an answer, the gap of probability between the best two options; of the gate, the distance of
    the confidence from α; of dropped tokens, the widest gap of score between two that changed
    places, as a share of the higher score.
    """
    follows: Decision | None = None
    """The earlier change that this one comes from."""
    cut: float | None = None
    """Gap of score in the reference between the last token dropped and the first kept, as a share
    of the higher; None for other decisions."""

    @property
    def margin(self) -> float | None:
        """The larger margin, since rounding leaves both small; None where one is not known."""
        known = [m for m in self.margins if m is not None]
        return max(known) if len(known) == len(self.margins) else None

    def is_beyond(self, tie: float) -> bool:
        """Whether nothing explains the change: no earlier one, and no margin up to `tie`."""
        return self.follows is None and (self.margin is None or self.margin > tie)


def answer_margin(record: Record) -> float | None:
    """Probability of the likeliest option minus that of the next; None where one was offered."""
    best = sorted(record["fine"]["probs"].values(), reverse=True)[:2]
    return best[0] - best[1] if len(best) == 2 else None


def both_staged(pair: Pair) -> bool:
    """Whether both records have a coarse stage."""
    return all("coarse" in record for record in pair)


def cause(pair: Pair) -> str:
    """The first of `CAUSES`: what the fine stage was given differently."""
    a, b = pair
    if both_staged(pair) and a["coarse"]["branch"] != b["coarse"]["branch"]:
        return CAUSES[0]
    orders = [len(record.get("rotations", ())) for record in pair]
    if a["fine"]["prompt"] != b["fine"]["prompt"] or orders[0] != orders[1]:
        return CAUSES[1]
    return CAUSES[2] if a["dropped"] != b["dropped"] else SAME_INPUT


def shifts(pair: Pair) -> dict[str, float]:
    """Largest change of a probability by stage, "coarse" or "fine".

    A stage with another query, or with other dropped tokens, is not in it.
    """
    found: dict[str, float] = {}
    if both_staged(pair) and pair[0]["coarse"]["prompt"] == pair[1]["coarse"]["prompt"]:
        a, b = (record["coarse"] for record in pair)
        found["coarse"] = max(abs(a[name] - b[name]) for name in ("p_a", "p_b"))
    a, b = (record["fine"]["probs"] for record in pair)
    if cause(pair) == SAME_INPUT and a.keys() == b.keys():
        found["fine"] = max(abs(p - b[letter]) for letter, p in a.items())
    return found


def changes(pair: Pair, alpha: float) -> list[Change]:
    """The decisions that differ, in the order in which the method makes them; scores saved."""
    coarse = branch = None
    if both_staged(pair):
        coarse = _coarse_answer(pair)
        branch = _branch(pair, coarse, alpha)
    dropped = _dropped_tokens(pair)
    answer = _answer(pair, next((c.what for c in (branch, dropped) if c is not None), None))
    return [change for change in (coarse, branch, dropped, answer) if change is not None]


def _coarse_answer(pair: Pair) -> Change | None:
    letters = tuple(COARSE_KEY.read(record["coarse"]["text"]) for record in pair)
    if letters[0] == letters[1]:
        return None
    margins = tuple(
        # The first token decided only where it is a letter; what was decoded has no margin here.
        _distance(record) if record["coarse"]["text"] in COARSE_KEY.letters else None
        for record in pair
    )
    return Change("coarse answer", letters, margins)


def _branch(pair: Pair, coarse: Change | None, alpha: float) -> Change | None:
    branches = tuple(record["coarse"]["branch"] for record in pair)
    if branches[0] == branches[1]:
        return None
    if "ambiguous" in branches:
        margins = tuple(abs(record["coarse"]["confidence"] - alpha) for record in pair)
        return Change("branch", branches, margins)
    if coarse is not None:
        return Change("branch", branches, coarse.margins, follows="coarse answer")
    # Two answers off the menu: the larger of p_A and p_B decided.
    return Change("branch", branches, tuple(map(_distance, pair)))


def _distance(record: Record) -> float:
    return abs(record["coarse"]["p_a"] - record["coarse"]["p_b"])


def _dropped_tokens(pair: Pair) -> Change | None:
    a, b = (set(record["dropped"]) for record in pair)
    if a == b:
        return None
    alone = (sorted(a - b), sorted(b - a))
    first, second = (record.get("foe_scores") for record in pair)
    margins = (_gap(first, *alone), _gap(second, *reversed(alone)))
    return Change("dropped tokens", alone, margins, cut=_cut(first, a))


def _gap(
    scores: Sequence[float] | None, gone: Sequence[int], stayed: Sequence[int]
) -> float | None:
    """Gap between the highest score that stayed and the lowest that went, as a share of the first.

    Scores are shares of one attention, about 1/T each, so only their ratio tells a near tie.
    """
    if scores is None or not gone or not stayed:
        return None
    high, low = max(scores[i] for i in stayed), min(scores[i] for i in gone)
    return (high - low) / high if high else 0.0


def _cut(scores: Sequence[float] | None, dropped: set[int]) -> float | None:
    if scores is None or not dropped:
        return None
    last = max(dropped, key=scores.__getitem__)
    kept = (index for index in range(len(scores)) if index not in dropped)
    return _gap(scores, [last], [min(kept, key=scores.__getitem__)])


def _answer(pair: Pair, follows: Decision | None) -> Change | None:
    answers = tuple(record["prediction"] for record in pair)
    if answers[0] == answers[1]:
        return None
    margins = tuple(
        answer_margin(record) if record["fine"]["text"] in record["fine"]["probs"] else None
        for record in pair
    )
    return Change("answer", answers, margins, follows)
