"""Paired statistics of two runs over the same images, from their records alone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import binomtest

from sepm.analysis.accuracy import ratio, wilson_interval
from sepm.records.writing import Record

SIGNIFICANCE = 0.05
"""A difference with a larger p cannot be told from chance."""

P_AND_INTERVAL = (
    "p tells whether the runs differ, the interval by how much; near p = 0.05 they can disagree."
)
"""How to read the two beside each other."""

Pair = tuple[Record, Record]


@dataclass(frozen=True)
class PairedCounts:
    """A 2 × 2 table of samples: whether the reference and the other run are right."""

    both: int
    gained: int
    """The reference is wrong and the other run right."""
    lost: int
    """The reference is right and the other run wrong."""
    neither: int

    @property
    def n(self) -> int:
        """All samples."""
        return self.both + self.gained + self.lost + self.neither

    @property
    def difference(self) -> float | None:
        """Accuracy of the other run minus the reference's; None of no sample."""
        return ratio(self.gained - self.lost, self.n)

    @property
    def p_value(self) -> float:
        """Exact McNemar test, two-sided: were gains and losses equally likely?

        A binomial test of the samples that changed sides; 1 where none did.
        """
        changed = self.gained + self.lost
        return float(binomtest(self.gained, changed).pvalue) if changed else 1.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the difference: Newcombe's score interval for paired data.

        Method 10 of Newcombe, Statistics in Medicine 17 (1998) 2635: the Wilson intervals of both
        accuracies, combined with their correlation. It is not the test turned round, so close to
        p = 0.05 the two can disagree, the exact test being the more cautious.
        """
        n = self.n
        reference = wilson_interval(self.both + self.lost, n)
        other = wilson_interval(self.both + self.gained, n)
        if reference is None or other is None:
            return None
        a, b = (self.both + self.gained) / n, (self.both + self.lost) / n
        phi, middle = self._correlation(), a - b
        below = _combined(a - other[0], reference[1] - b, phi)
        above = _combined(b - reference[0], other[1] - a, phi)
        return middle - below, middle + above

    def _correlation(self) -> float:
        """Newcombe's φ: a positive one is shrunk by n / 2, and an empty margin has none."""
        both, gained, lost, neither = self.both, self.gained, self.lost, self.neither
        margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
        product = both * neither - gained * lost
        if margins == 0:
            return 0.0
        if product > 0:
            product = max(product - self.n / 2, 0)
        return product / math.sqrt(margins)

    def as_json(self) -> dict[str, Any]:
        """Counts and what follows from them."""
        return {
            "n": self.n,
            **asdict(self),
            "difference": self.difference,
            "ci95": self.interval,
            "p": self.p_value,
        }


def _combined(first: float, second: float, phi: float) -> float:
    """Length of the difference of two vectors that enclose an angle of cosine φ."""
    return math.sqrt(max(first**2 - 2 * phi * first * second + second**2, 0.0))


def pair_up(reference: Iterable[Record], other: Iterable[Record]) -> list[Pair]:
    """The samples that both runs could run, in the reference's order."""
    others = {r["question_id"]: r for r in other if r["status"] != "error"}
    return [
        (r, others[r["question_id"]])
        for r in reference
        if r["status"] != "error" and r["question_id"] in others
    ]


def paired_counts(pairs: Iterable[Pair]) -> PairedCounts:
    """Counts of the samples that both runs get right, either, or neither."""
    right = [(bool(a["correct"]), bool(b["correct"])) for a, b in pairs]
    return PairedCounts(
        both=right.count((True, True)),
        gained=right.count((False, True)),
        lost=right.count((True, False)),
        neither=right.count((False, False)),
    )


def per_class_change(pairs: Sequence[Pair], classes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Recall of each class in both runs, and what became of its samples (Fig. 6)."""
    changes: dict[str, dict[str, Any]] = {}
    for name in classes:
        counts = paired_counts(pair for pair in pairs if pair[0]["label"] == name)
        changes[name] = {
            "n": counts.n,
            "reference": ratio(counts.both + counts.lost, counts.n),
            "accuracy": ratio(counts.both + counts.gained, counts.n),
            "change": counts.difference,
            "gained": counts.gained,
            "lost": counts.lost,
            "p": counts.p_value,
        }
    return changes
