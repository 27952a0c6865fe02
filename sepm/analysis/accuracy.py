"""Accuracy of some prediction records, with the counts that it is made of and its interval."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sepm.records.writing import Record


@dataclass(frozen=True)
class Accuracy:
    """Counts of some records. Unread answers are wrong; errors are not in n."""

    n: int
    correct: int
    unread: int = 0
    errors: int = 0

    @property
    def fraction(self) -> float | None:
        """Share of right answers, in [0, 1]; None for n = 0."""
        return ratio(self.correct, self.n)

    @property
    def ci95(self) -> tuple[float, float] | None:
        """95% Wilson score interval of the fraction; None for n = 0."""
        return wilson_interval(self.correct, self.n)

    def as_json(self) -> dict[str, Any]:
        """n, correct, and what follows from them."""
        stated = {"n": self.n, "correct": self.correct}
        return {**stated, "accuracy": self.fraction, "ci95": self.ci95}


def answered(records: Iterable[Record]) -> list[Record]:
    """The records that could be run."""
    return [r for r in records if r["status"] != "error"]


def accuracy_of(records: Sequence[Record]) -> Accuracy:
    """Accuracy of the records that could be run."""
    statuses = Counter(r["status"] for r in records)
    errors = statuses["error"]
    correct = sum(r["correct"] for r in records)
    return Accuracy(len(records) - errors, correct, statuses["unread"], errors)


def ratio(part: int, whole: int) -> float | None:
    """A fraction, or None of nothing."""
    return part / whole if whole else None


def wilson_interval(correct: int, n: int) -> tuple[float, float] | None:
    """95% Wilson score interval of a fraction; None for n = 0."""
    if n == 0:
        return None
    from scipy.stats import binomtest  # half a second, which a command's help need not take

    interval = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)
