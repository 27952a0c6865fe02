"""Which score is lower where an answer is wrong: against scikit-learn and scipy."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from sepm.analysis import bootstrap
from sepm.analysis.confidence_auroc import (
    EQUATION_4,
    as_document,
    coarse_scores,
    compared_scores,
    confidence_scores,
    fine_scores,
)
from sepm.documents import Grid

from .random_rows import random_rows, stored
from .test_metrics import JOYS, record

ROWS = random_rows(80, 1, staged=True)
RIGHT = [row["correct"] for row in ROWS]


def by_other_code(row: dict[str, Any]) -> dict[str, Any]:
    p_a, p_b = row["coarse"]["p_a"], row["coarse"]["p_b"]
    coarse = np.sort([p_a, p_b]) / (p_a + p_b)
    probs = row["fine"]["probs"]
    fine = np.sort(list(probs.values())) / sum(probs.values())
    letters = {name: letter for letter, name in zip("ABCD", JOYS.names, strict=True)}
    return {
        EQUATION_4: float(np.var([p_a, p_b])),
        "coarse: larger p": coarse[1],
        "coarse: margin": coarse[1] - coarse[0],
        "coarse: entropy": -entropy(coarse),
        "fine: largest p": fine[-1],
        "fine: margin": fine[-1] - fine[-2],
        "fine: entropy": -entropy(fine),
        "fine: p of the answer": probs.get(letters.get(row["prediction"] or ""), 0)
        / sum(probs.values()),
    }


def pairs_in_order(values: np.ndarray, right: np.ndarray) -> float:
    """Share of the pairs of a right and a wrong row that stand in order, ties half."""
    apart = values[right][:, None] - values[~right][None, :]
    return float(((apart > 0) + (apart == 0) / 2).mean())


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return confidence_scores(stored(ROWS, "mine"))


def test_every_score_of_a_row_is_what_other_code_finds() -> None:
    found = coarse_scores(ROWS) | fine_scores(ROWS, JOYS)
    for place, row in enumerate(ROWS):
        assert {n: scores[place] for n, scores in found.items()} == pytest.approx(
            by_other_code(row)
        )


def test_aurocs_intervals_and_paired_differences_are_those_of_the_same_resamples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 150)
    found = confidence_scores(stored(ROWS))
    values = {name: np.array([by_other_code(r)[name] for r in ROWS]) for name in found["of_final"]}
    random, right = np.random.default_rng(0), np.array(RIGHT)
    drawn = [random.integers(80, size=80) for _ in range(150)]
    aurocs = {n: [pairs_in_order(v[d], right[d]) for d in drawn] for n, v in values.items()}
    for name, score in found["of_final"].items():
        assert score["auroc"] == pytest.approx(roc_auc_score(right, values[name]))
        assert score["ci95"] == pytest.approx(np.quantile(aurocs[name], [0.025, 0.975]))
        if name != EQUATION_4:
            apart = np.subtract(aurocs[name], aurocs[EQUATION_4])
            assert score["versus_eq4"]["ci95"] == pytest.approx(np.quantile(apart, [0.025, 0.975]))
            whole = found["of_final"][EQUATION_4]["auroc"]
            assert score["versus_eq4"]["difference"] == pytest.approx(score["auroc"] - whole)
    assert "versus_eq4" not in found["of_final"][EQUATION_4]


def test_scores_of_the_coarse_answer_are_measured_by_its_own_being_right(
    found: dict[str, Any],
) -> None:
    named = {"A": ("joy", "calm"), "B": ("fear", "grief")}
    right = [row["label"] in named[row["coarse"]["text"]] for row in ROWS]
    assert list(found["of_coarse"]) == list(coarse_scores([]))
    for name, score in found["of_coarse"].items():
        expected = roc_auc_score(right, [by_other_code(row)[name] for row in ROWS])
        assert score["auroc"] == pytest.approx(expected)


def test_larger_p_margin_and_entropy_of_two_are_one_ranking_and_eq_4s_is_another(
    found: dict[str, Any],
) -> None:
    scores = found["of_final"]
    alike = [scores[f"coarse: {name}"]["auroc"] for name in ("larger p", "margin", "entropy")]
    assert len(set(alike)) == 1
    assert scores[EQUATION_4]["auroc"] != alike[0]
    # As they are: 0.3 - 0.05 = 0.25 < 0.6 - 0.3; divided by their sums: 0.86 > 0.67.
    spread = record("joy", "joy", "ambiguous", "A", 0.3, 0.05)
    whole = record("joy", "joy", "ambiguous", "A", 0.6, 0.3)
    both = coarse_scores([spread, whole])
    assert both[EQUATION_4][0] < both[EQUATION_4][1]
    assert both["coarse: larger p"][0] > both["coarse: larger p"][1]


def test_ties_count_half_and_resamples_that_are_all_right_are_left_out() -> None:
    found = compared_scores({"same": [0.5] * 3}, [True, True, False])["same"]
    assert found == {"auroc": 0.5, "ci95": (0.5, 0.5)}
    drawn = bootstrap.resampled_aurocs({"a": [0.1, 0.9]}, [False, True])["a"]
    assert 0 < len(drawn) < bootstrap.RESAMPLES  # half of the resamples hold one row twice
    assert set(drawn) == {1.0}


def test_a_run_without_a_coarse_stage_has_the_fine_scores_and_no_difference() -> None:
    found = confidence_scores(stored(random_rows(30, 2, staged=False)))
    assert list(found["of_final"]) == list(fine_scores([], JOYS))
    assert not any("versus_eq4" in score for score in found["of_final"].values())
    assert found["of_coarse"] == {}
    assert found["n"] == 30


def test_answers_that_are_all_right_have_no_auroc() -> None:
    rows = [row | {"correct": True} for row in ROWS]
    score = confidence_scores(stored(rows))["of_final"][EQUATION_4]
    assert score == {"auroc": None, "ci95": None}


def test_the_text_has_calibration_and_a_line_for_each_score(found: dict[str, Any]) -> None:
    calibration, final, coarse = (p for p in as_document([found]) if isinstance(p, Grid))
    assert calibration.rows[0][:2] == ["mine", "80"]
    assert calibration.rows[0][3] == f"{found['final']['brier']:.4f}"
    assert [line[1] for line in final.rows] == list(found["of_final"])
    assert [line[1] for line in coarse.rows] == list(found["of_coarse"])
    versus = found["of_final"]["coarse: larger p"]["versus_eq4"]
    assert final.rows[1][4] == f"{versus['difference']:+.4f}"
