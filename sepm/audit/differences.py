"""What two records of one sample decide differently, and how near a tie each decision was.

A margin says how far a decision was from falling the other way. Where the same query and the same
tokens give another answer, rounding explains it if the margins of both records are tiny; a decision
that only follows from an earlier one that changed proves nothing, whatever its margins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sepm.analysis.compare import margin as answer_margin
from sepm.analysis.paired import Pair
from sepm.method.answers import COARSE_KEY
from sepm.records.record import Record

What = Literal["coarse answer", "branch", "dropped tokens", "answer"]


@dataclass(frozen=True)
class Change:
    """One decision that differs between the reference's record of a sample and another."""

    what: What
    values: tuple[Any, ...]
    """What each of the two decided; of dropped tokens, those that it alone dropped."""
    margins: tuple[float | None, ...]
    """How far each record was from deciding otherwise; None where the record does not tell.

    Of an answer, the gap of probability between the best two options; of the gate, the distance of
    the confidence from α; of dropped tokens, the widest gap of score between two that changed
    places, as a share of the higher score.
    """
    follows: What | None = None
    """The earlier change that this one comes from."""
    cut: float | None = None
    """Of dropped tokens, the reference's gap between the last that went and the first that stayed,
    as a share of the higher score."""

    @property
    def margin(self) -> float | None:
        """The larger margin, since rounding leaves both small; None where one is not known."""
        known = [m for m in self.margins if m is not None]
        return max(known) if len(known) == len(self.margins) else None

    def beyond(self, tie: float) -> bool:
        """Whether nothing explains the change: no earlier one, and no margin up to `tie`."""
        return self.follows is None and (self.margin is None or self.margin > tie)


def changes(pair: Pair, alpha: float) -> list[Change]:
    """The decisions that differ, in the order in which the method makes them.

    Args:
        pair: the reference's record of a sample, and another; scores saved.
        alpha: confidence threshold of the method.
    """
    coarse = branch = None
    if "coarse" in pair[0]:
        coarse = _coarse_answer(pair)
        branch = _branch(pair, coarse, alpha)
    dropped = _dropped(pair)
    answer = _answer(pair, next((c.what for c in (branch, dropped) if c is not None), None))
    return [change for change in (coarse, branch, dropped, answer) if change is not None]


def largest_shift(pairs: Iterable[Pair]) -> float | None:
    """Largest change of a probability that both records give for the same query and tokens."""
    shifts = [shift for pair in pairs for shift in _shifts(*pair)]
    return max(shifts, default=None)


def _shifts(a: Record, b: Record) -> list[float]:
    shifts: list[float] = []
    if "coarse" in a:
        shifts += [abs(a["coarse"][name] - b["coarse"][name]) for name in ("p_a", "p_b")]
    if a["fine"]["prompt"] == b["fine"]["prompt"] and a["dropped"] == b["dropped"]:
        probs = b["fine"]["probs"]
        shifts += [abs(p - probs[letter]) for letter, p in a["fine"]["probs"].items()]
    return shifts


def _coarse_answer(pair: Pair) -> Change | None:
    letters = tuple(COARSE_KEY.read(record["coarse"]["text"]) for record in pair)
    if letters[0] == letters[1]:
        return None
    margins = tuple(
        # The first token decided only where it is a letter; what was decoded has no margin here.
        _distance(record["coarse"]) if record["coarse"]["text"] in COARSE_KEY.letters else None
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
    return Change("branch", branches, tuple(_distance(record["coarse"]) for record in pair))


def _distance(coarse: Record) -> float:
    return abs(coarse["p_a"] - coarse["p_b"])


def _dropped(pair: Pair) -> Change | None:
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
    """How far the highest score that stayed lies above the lowest that went, as a share of it.

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


def _answer(pair: Pair, follows: What | None) -> Change | None:
    answers = tuple(record["prediction"] for record in pair)
    if answers[0] == answers[1]:
        return None
    margins = tuple(
        answer_margin(record) if record["fine"]["text"] in record["fine"]["probs"] else None
        for record in pair
    )
    return Change("answer", answers, margins, follows)
