"""Accuracy and its interval, against published worked examples."""

import pytest

from sepm.analysis.accuracy import Accuracy, accuracy_of


def test_unread_answers_are_wrong_and_errors_are_not_in_n() -> None:
    statuses = ("ok", "ok", "unread", "error")
    rows = [{"status": status, "correct": i == 0} for i, status in enumerate(statuses)]
    assert accuracy_of(rows) == Accuracy(n=3, correct=1, unread=1, errors=1)
    assert accuracy_of(rows).fraction == 1 / 3


def test_of_nothing_there_is_no_fraction() -> None:
    nothing = {"n": 0, "correct": 0, "accuracy": None, "ci95": None}
    assert accuracy_of([]).as_json() == nothing


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        (5, 10, 0.2366, 0.7634),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        # Newcombe 1998, Table 1
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_wilsons(correct: int, n: int, low: float, high: float) -> None:
    assert Accuracy(n, correct).ci95 == pytest.approx((low, high), abs=5e-5)
