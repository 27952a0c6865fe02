"""Intervals and tests against published worked examples."""

from typing import Any

import pytest
from scipy.stats import chi2

from sepm.analysis.paired import PairedCounts, pair_up, paired_counts, per_class_change


def record(question_id: str, label: str, correct: bool, status: str = "ok") -> dict[str, Any]:
    return {"question_id": question_id, "label": label, "correct": correct, "status": status}


CULTURE_MEDIA = PairedCounts(both=20, gained=12, lost=2, neither=16)
"""Armitage & Berry 1994, p. 127; Newcombe's own example."""
AIRWAYS = PairedCounts(1, 1, 7, 12)
"""Airway hyper-responsiveness in Fagerland, Lydersen & Laake."""
RATINGS = PairedCounts(794, 86, 150, 570)
"""Agresti, approval ratings."""


# Two-sided exact p of Liddell 1983; exact conditional p of Fagerland, Lydersen & Laake 2013.
@pytest.mark.parametrize(("counts", "p"), [(CULTURE_MEDIA, 0.0129), (AIRWAYS, 0.0703)])
def test_exact_mcnemar_is_that_of_worked_examples(counts: PairedCounts, p: float) -> None:
    assert counts.p_value == pytest.approx(p, abs=5e-5)


def test_exact_mcnemar_nears_the_chi_square_of_large_counts() -> None:
    # With Yates's correction 63² / 236, of 150 and 86 discordant.
    assert RATINGS.p_value == pytest.approx(chi2.sf(63**2 / 236, df=1), rel=0.15)


@pytest.mark.parametrize(
    ("counts", "interval", "within"),
    [
        (CULTURE_MEDIA, (0.0562, 0.3292), 5e-5),
        (AIRWAYS, (-0.507, -0.026), 5e-4),  # 2014, "Newcombe square-and-add"
        (RATINGS, (-0.0587, -0.0213), 1e-3),  # nears Wald's: -0.04 ± 1.96 × 0.0095
    ],
)
def test_newcombes_paired_interval_is_that_of_worked_examples(
    counts: PairedCounts, interval: tuple[float, float], within: float
) -> None:
    assert counts.interval == pytest.approx(interval, abs=within)


def test_runs_the_other_way_round_give_the_difference_the_other_way_round() -> None:
    there, back = CULTURE_MEDIA, PairedCounts(20, 2, 12, 16)
    assert there.interval is not None
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))
    assert back.p_value == there.p_value
    assert (there.difference, back.difference) == (0.2, -0.2)


def test_equal_runs_differ_by_nothing_and_chance_explains_all_of_it() -> None:
    counts = PairedCounts(both=10, gained=0, lost=0, neither=6)
    assert (counts.difference, counts.p_value) == (0, 1.0)
    assert counts.interval is not None
    assert counts.interval[0] == pytest.approx(-counts.interval[1])


@pytest.mark.parametrize("counts", [(8, 0, 0, 0), (0, 0, 0, 8), (0, 8, 0, 0), (0, 0, 8, 0)])
def test_extreme_tables_have_an_interval_around_the_difference(counts: tuple) -> None:
    found = PairedCounts(*counts)
    assert found.interval is not None
    assert -1 <= found.interval[0] <= (found.difference or 0) <= found.interval[1] <= 1


def test_no_sample_has_no_difference() -> None:
    counts = PairedCounts(0, 0, 0, 0)
    assert (counts.difference, counts.interval, counts.p_value) == (None, None, 1.0)


def test_pairs_are_the_samples_that_both_runs_could_run() -> None:
    first = [record("a", "joy", True), record("b", "joy", True, "error"), record("c", "joy", False)]
    second = [record("c", "joy", True), record("b", "joy", True), record("a", "joy", True, "error")]
    assert [a["question_id"] for a, _ in pair_up(first, second)] == ["c"]


def test_counts_tell_gained_from_lost() -> None:
    first = [record(key, "joy", key in "ab") for key in "abcdef"]
    second = [record(key, "joy", key in "acd") for key in "abcdef"]
    assert paired_counts(pair_up(first, second)) == PairedCounts(
        both=1, gained=2, lost=1, neither=2
    )


def test_change_of_a_class_is_the_change_of_its_recall() -> None:
    first = [record("a", "joy", True), record("b", "joy", False), record("c", "fear", True)]
    second = [record("a", "joy", True), record("b", "joy", True), record("c", "fear", False)]
    changes = per_class_change(pair_up(first, second), ("joy", "fear", "calm"))
    assert [changes[name]["n"] for name in ("joy", "fear", "calm")] == [2, 1, 0]
    assert (changes["joy"]["reference"], changes["joy"]["accuracy"]) == (0.5, 1.0)
    assert [changes[name]["change"] for name in ("joy", "fear", "calm")] == [0.5, -1.0, None]
    assert (changes["fear"]["gained"], changes["fear"]["lost"]) == (0, 1)
