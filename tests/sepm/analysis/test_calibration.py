"""Calibration of the coarse stage (Fig. 5) and of the final answer, by hand and by other code."""

from itertools import permutations
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score

from sepm.analysis.calibration import (
    auroc,
    confidence_bins,
    confidence_report,
    expected_calibration_error,
    risk_coverage,
)
from sepm.analysis.confidence_auroc import fine_scores
from sepm.analysis.metrics import final_summary, summarize
from sepm.analysis.probabilities import final_probabilities
from tests.sepm.joys import JOYS

from .random_rows import random_rows
from .test_metrics import record

ERROR: dict[str, Any] = {
    **{"label": "joy", "prediction": None, "correct": False, "status": "error", "error": "x"}
}


# ---- the coarse stage


def test_accuracy_of_both_stages_stands_in_the_bin_of_the_confidence() -> None:
    bins = confidence_bins([0.0, 0.01, 0.24, 0.25], [True, False, True, True], [True] * 4, 0.25)
    assert [row["n"] for row in bins] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (bins[0]["from"], bins[0]["to"], bins[9]["to"]) == (0, 0.025, 0.25)
    assert (bins[0]["coarse_accuracy"], bins[0]["accuracy"]) == (0.5, 1.0)
    assert (bins[1]["coarse_accuracy"], bins[1]["accuracy"]) == (None, None)


def test_calibration_error_of_an_overconfident_answerer() -> None:
    # 0.95 said twice and right once: |0.95 - 0.5|; 0.65 said twice and right twice: |0.65 - 1|.
    stated, right = [0.95, 0.95, 0.65, 0.65], [True, False, True, True]
    assert expected_calibration_error(stated, right) == pytest.approx((0.45 + 0.35) / 2)


def test_auroc_is_the_share_of_pairs_that_stand_in_order() -> None:
    # Right 0.9 and 0.4, wrong 0.4 and 0.1: of four pairs three in order and one tied.
    assert auroc([0.9, 0.4, 0.4, 0.1], [True, True, False, False]) == 3.5 / 4


def test_of_too_few_answers_there_is_no_calibration() -> None:
    assert auroc([0.9, 0.4], [True, True]) is None
    assert auroc([], []) is None
    assert expected_calibration_error([], []) is None


def test_the_confidence_is_the_papers_variance_and_the_stated_probability_the_larger_one() -> None:
    rows = [record("joy", "joy", "positive", "A", 0.9, 0.1), record("joy", "fear", "negative", "B")]
    found = confidence_report(rows, [True, False])
    assert [row["n"] for row in found["bins"]] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0]  # 0.8² / 4 = 0.16
    assert found["ece"] == pytest.approx((0.1 + 0) / 2)
    assert (found["auroc_coarse"], found["auroc_final"]) == (1.0, 1.0)


def test_an_error_is_not_inherited_where_one_of_the_tied_labels_was_on_offer() -> None:
    tied = record("joy", "grief", "negative", "B") | {"labels": ["joy", "fear"], "correct": False}
    assert summarize([tied], JOYS)["coarse"]["inherited_errors"] == 0


# ---- the final answer


def row(label: str, prediction: str | None, **probs: float) -> dict[str, Any]:
    return {
        **{"label": label, "prediction": prediction, "correct": prediction == label},
        **{"status": "ok" if prediction else "unread", "fine": {"probs": probs, "read": "text"}},
    }


def test_probabilities_are_of_the_options_shown_and_0_of_the_others() -> None:
    assert final_probabilities(row("joy", "joy", C=0.2, A=0.6), JOYS) == pytest.approx(
        (0.75, 0, 0.25, 0)
    )
    assert final_probabilities(row("joy", "joy", B=0.0, D=0.0), JOYS) == (0, 0.5, 0, 0.5)


# Row 1, joy: (0.75 - 1)² + 0.25² = 0.125. Row 2, fear, which was not shown: 1 + 0.5² + 0.5² = 1.5.
# Row 3, unread, calm: 0.1² + 0.1² + (0.2 - 1)² + 0.6² = 1.02. Surest first: 0.75 right, 0.6 wrong,
# 0.5 wrong: error rates 0, 1/2, 2/3. ECE: |0.75 - 1| + |0.6 - 0| + |0.5 - 0|, over three rows.
def test_the_numbers_of_three_rows_are_those_counted_by_hand() -> None:
    rows = [
        row("joy", "joy", A=0.6, C=0.2),
        row("fear", "joy", A=0.4, C=0.4),
        row("calm", None, A=0.05, B=0.05, C=0.1, D=0.3),
    ]
    assert final_summary(rows, JOYS) == pytest.approx(
        {
            "brier": (0.125 + 1.5 + 1.02) / 3,
            "ece": (0.25 + 0.6 + 0.5) / 3,
            "auroc": 1.0,
            "aurc": (0 + 1 / 2 + 2 / 3) / 3,
        }
    )


@pytest.mark.parametrize("staged", [False, True])
def test_other_code_finds_the_same_numbers(staged: bool) -> None:
    rows = random_rows(200, 5, staged=staged)
    p = np.zeros((200, 4))
    for place, one in enumerate(rows):
        for letter, value in one["fine"]["probs"].items():
            p[place, "ABCD".index(letter)] = value
    p /= p.sum(axis=1, keepdims=True)
    truth = np.array([JOYS.names.index(one["label"]) for one in rows])
    right, largest = np.array([one["correct"] for one in rows]), p.max(axis=1)
    shares, means = calibration_curve(right, largest, n_bins=10)
    weights = np.histogram(largest, bins=10, range=(0, 1))[0] / 200
    wrong = [not r for _, r in sorted(zip(largest, right, strict=True), reverse=True)]
    expected = {
        "brier": sum(brier_score_loss(truth == k, p[:, k]) for k in range(4)),
        "ece": float(np.abs(shares - means) @ weights[weights > 0]),
        "auroc": roc_auc_score(right, largest),
        "aurc": fmean(sum(wrong[:i]) / i for i in range(1, 201)),
    }
    assert summarize([*rows, ERROR], JOYS)["final"] == pytest.approx(expected)


def test_rows_of_equal_probability_count_as_in_the_mean_of_all_their_orders() -> None:
    stated, right = [0.9, 0.5, 0.9, 0.5, 0.5, 0.2], [True, False, False, True, True, False]
    means = np.zeros(6)
    for order in (orders := list(permutations(range(6)))):
        if [stated[i] for i in order] == sorted(stated, reverse=True):
            means += np.cumsum([not right[i] for i in order]) / np.arange(1, 7)
    assert orders
    assert risk_coverage(stated, right) == pytest.approx(means / (2 * 6))  # 2! × 3! orders
    assert risk_coverage(stated[::-1], right[::-1]) == pytest.approx(means / 12)


def test_of_tied_labels_the_one_that_a_row_counts_under_is_true() -> None:
    tied = row("joy", "calm", A=0.4, C=0.6) | {"labels": ["joy", "calm"], "correct": True}
    assert final_summary([tied], JOYS)["brier"] == pytest.approx(0.4**2 + 0.4**2)
    unread = tied | {"prediction": None, "correct": False}
    assert final_summary([unread], JOYS)["brier"] == pytest.approx(0.6**2 + 0.6**2)


def test_errors_alone_have_no_calibration() -> None:
    found = summarize([ERROR], JOYS)["final"]
    assert found == dict.fromkeys(("brier", "ece", "auroc", "aurc"))
    assert final_summary([row("joy", "joy", A=0.5, B=0.5)], JOYS)["auroc"] is None


def test_rows_that_state_the_same_probabilities_of_other_classes_are_tied() -> None:
    # As floats 0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1.
    right, wrong = row("joy", "joy", A=0.1, B=0.2, C=0.3), row("joy", "fear", A=0.3, B=0.2, C=0.1)
    for rows in ([right, wrong], [wrong, right]):
        found = final_summary(rows, JOYS)
        assert (found["auroc"], found["aurc"]) == (0.5, 0.5)
    for name, scores in fine_scores([right, wrong], JOYS).items():
        if name != "fine: p of the answer":
            assert scores[0] == scores[1], name
