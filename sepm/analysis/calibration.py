"""Calibration of the coarse stage (Fig. 5) and of the final answer: are they surer where right?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from sepm.analysis.accuracy import ratio
from sepm.method.confidence import MAXIMUM_CONFIDENCE, Variance, confidence
from sepm.records.writing import Record

VARIANCE: Variance = "population"

BINS = 10
"""Bins of equal width, over the variance's whole range and over probabilities from 0 to 1."""


def confidence_report(staged: Sequence[Record], coarse_right: Sequence[bool]) -> dict[str, Any]:
    """Accuracy per confidence bin, ECE, and AUROC.

    The confidence is Eq. (4)'s, whatever variance the run was gated by (the sample variance is
    twice it), so that runs can be compared. Of each record with a coarse stage, `coarse_right`
    tells whether its coarse answer, gated or not, names the label's polarity.
    """
    values = [confidence(r["coarse"]["p_a"], r["coarse"]["p_b"], VARIANCE) for r in staged]
    stated = [max(r["coarse"]["p_a"], r["coarse"]["p_b"]) for r in staged]
    final_right = [bool(r["correct"]) for r in staged]
    return {
        "variance": VARIANCE,
        "bins": confidence_bins(values, coarse_right, final_right, MAXIMUM_CONFIDENCE[VARIANCE]),
        "ece": expected_calibration_error(stated, coarse_right),
        "auroc_coarse": auroc(values, coarse_right),
        "auroc_final": auroc(values, final_right),
    }


def confidence_bins(
    values: Sequence[float], coarse_right: Sequence[bool], right: Sequence[bool], maximum: float
) -> list[dict[str, Any]]:
    """Accuracy of both stages in each bin [from, to) of the confidence; the last is closed.

    Fig. 5 shows accuracy over the variance without saying of which stage or in which bins.
    """
    return [
        {
            "from": maximum * place / BINS,
            "to": maximum * (place + 1) / BINS,
            "n": len(inside),
            "coarse_accuracy": ratio(sum(coarse_right[i] for i in inside), len(inside)),
            "accuracy": ratio(sum(right[i] for i in inside), len(inside)),
        }
        for place, inside in enumerate(in_bins(values, maximum))
    ]


def in_bins(values: Sequence[float], maximum: float) -> list[list[int]]:
    """Indices of the values, all in [0, maximum], in each of `BINS` bins [from, to) of equal width.

    The last bin is closed.
    """
    bins: list[list[int]] = [[] for _ in range(BINS)]
    for index, value in enumerate(values):
        bins[min(int(value / maximum * BINS), BINS - 1)].append(index)
    return bins


def expected_calibration_error(stated: Sequence[float], right: Sequence[bool]) -> float | None:
    """Mean distance between stated probability and accuracy over the bins, weighted by their n.

    The stated probability, in [0, 1], is the larger of p_A and p_B: the confidence, a variance, is
    no probability.
    """
    if not stated:
        return None
    # n × |mean stated - accuracy| is the distance between the two sums.
    distances = (
        abs(sum(stated[i] for i in inside) - sum(right[i] for i in inside))
        for inside in in_bins(stated, 1.0)
    )
    return sum(distances) / len(stated)


def auroc(values: Sequence[float], right: Sequence[bool]) -> float | None:
    """Probability that a right answer has more confidence than a wrong one; ties count half.

    None where all answers are right, or all wrong.
    """
    if len(set(right)) < 2:
        return None
    return float(roc_auc_score(list(right), list(values)))


def final_report(
    probabilities: Sequence[Sequence[float]], truth: Sequence[int], right: Sequence[bool]
) -> dict[str, float | None]:
    """Brier score, ECE, AUROC and AURC of the final answers; None where they are not defined.

    Args:
        probabilities: of each row the probabilities of all classes, as `final_probabilities`.
        truth: of each row the index of its label.
        right: of each row whether its answer is correct; an unread one is not.

    Returns:
        `brier`, the mean over rows of the sum over all classes of (p - y)², from 0 to 2; `ece`,
        `auroc` and `aurc`, in [0, 1], of the largest p against the answer being correct.
    """
    stated = [max(row) for row in probabilities]
    return {
        "brier": brier_score(probabilities, truth),
        "ece": expected_calibration_error(stated, right),
        "auroc": auroc(stated, right),
        "aurc": float(np.mean(risk_coverage(stated, right))) if stated else None,
    }


def brier_score(probabilities: Sequence[Sequence[float]], truth: Sequence[int]) -> float | None:
    """Mean over rows of the squared distance between the probabilities and the label's one-hot."""
    if not truth:
        return None
    p = np.array(probabilities)  # [n, K]
    y = np.eye(p.shape[1])[list(truth)]
    return float(((p - y) ** 2).sum(axis=1).mean())


def risk_coverage(stated: Sequence[float], right: Sequence[bool]) -> list[float]:
    """Error rate among the i rows of the largest stated probability, for i = 1 to n.

    Among rows of equal probability no order is better than another: each of them counts with the
    error rate of them all, which is the mean over all their orders.
    """
    _, tied = np.unique(-np.array(stated), return_inverse=True)  # the surest rows are group 0
    sizes = np.bincount(tied)
    rates = np.bincount(tied, weights=~np.array(right, bool)) / sizes
    errors = np.cumsum(np.repeat(rates, sizes))
    return (errors / np.arange(1, len(errors) + 1)).tolist()
