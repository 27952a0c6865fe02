"""Figure 5's numbers on samples small enough to count, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from sepm.analysis.calibration import (
    auroc,
    confidence_bins,
    confidence_report,
    expected_calibration_error,
)
from sepm.analysis.metrics import summarize

from .test_metrics import JOYS, RECORDS, record


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


def test_calibration_error_is_that_of_scikit_learns_curve() -> None:
    random = np.random.default_rng(3)
    stated = random.uniform(0.001, 0.999, 500)
    right = random.uniform(size=500) < stated**2
    shares, means = calibration_curve(right, stated, n_bins=10)
    weights = np.histogram(stated, bins=10, range=(0, 1))[0] / 500
    expected = float(np.sum(np.abs(shares - means) * weights))
    found = expected_calibration_error(list(stated), list(right))
    assert found == pytest.approx(expected)


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


def test_every_row_of_two_stages_stands_in_a_bin() -> None:
    bins = summarize(RECORDS, JOYS)["coarse"]["confidence"]["bins"]
    assert sum(row["n"] for row in bins) == 8


def test_an_error_is_not_inherited_where_one_of_the_tied_labels_was_on_offer() -> None:
    tied = record("joy", "grief", "negative", "B") | {"labels": ["joy", "fear"], "correct": False}
    assert summarize([tied], JOYS)["coarse"]["inherited_errors"] == 0
