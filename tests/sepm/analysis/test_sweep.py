"""Re-scoring by hand-made records; that it equals fresh runs is in commands/test_sensitivity."""

from dataclasses import replace
from typing import Any

import pytest

from sepm.analysis.sweep import (
    distinct,
    outer_runs,
    rescored,
    sweep,
    swept_alphas,
)
from sepm.analysis.sweep_text import best_line
from sepm.errors import InputError, RunError
from sepm.method.confidence import confidence
from sepm.method.config import PRESETS, MethodConfig

P_A = {"a": 0.9, "b": 0.7, "c": 0.6, "d": 0.2}
"""p_B is 1 - p_A, so Eq. (4) gives 0.16, 0.04, 0.01 and 0.09."""


def record(key: str, branch: str, correct: bool) -> dict[str, Any]:
    p_a = P_A[key]
    letter = "A" if p_a > 0.5 else "B"
    coarse = {"text": letter, "p_a": p_a, "p_b": 1 - p_a, "confidence": 0.0, "branch": branch}
    return {"question_id": key, "status": "ok", "correct": correct, "coarse": coarse}


LOW = [record("a", "positive", True), record("b", "positive", False),
       record("c", "positive", False), record("d", "negative", True)]  # fmt: skip
HIGH = [record(key, "ambiguous", key in "bc") for key in "dcba"]
"""Trusted, a and d are right; ambiguous, b and c are."""


@pytest.mark.parametrize(
    ("alpha", "branches", "correct"),
    [(0.0, "pppn", 2), (0.02, "ppan", 3), (0.05, "paan", 4), (0.1, "paaa", 3), (0.25, "aaaa", 2)],
)
def test_every_alpha_takes_the_branch_that_its_gate_chooses(
    alpha: float, branches: str, correct: int
) -> None:
    rows = rescored(LOW, HIGH, alpha, "population", "at-most")
    assert "".join(row["coarse"]["branch"][0] for row in rows) == branches
    assert sum(row["correct"] for row in rows) == correct
    assert [row["question_id"] for row in rows] == list("abcd")


def test_the_sample_variance_is_twice_the_populations() -> None:
    rows = rescored(LOW, HIGH, 0.1, "sample", "at-most")  # as 0.05 above
    assert "".join(row["coarse"]["branch"][0] for row in rows) == "paan"
    assert rows[0]["coarse"]["confidence"] == pytest.approx(0.32)


@pytest.mark.parametrize(("when", "branch"), [("at-most", "ambiguous"), ("below", "positive")])
def test_equality_falls_as_the_gate_says(when: Any, branch: str) -> None:
    alpha = confidence(0.9, 1 - 0.9, "population")
    assert rescored(LOW, HIGH, alpha, "population", when)[0]["coarse"]["branch"] == branch


def test_an_alpha_outside_the_runs_range_is_refused() -> None:
    with pytest.raises(RunError, match=r"a: α = 0.25 .* needs the ambiguous branch"):
        rescored(LOW, LOW, 0.25, "population", "at-most")


def test_a_row_that_could_not_be_run_stays_so() -> None:
    broken = [{"question_id": "a", "status": "error", "error": "no such file"}]
    assert rescored(broken, [HIGH[3]], 0.1, "population", "at-most") == broken


def test_the_best_alpha_is_named_with_those_that_cannot_be_told_from_it() -> None:
    alphas = (0.0, 0.05, 0.25)
    found = sweep({a: rescored(LOW, HIGH, a, "population", "at-most") for a in alphas})
    assert [point["correct"] for point in found["points"]] == [2, 4, 2]
    assert [point["ambiguous_rate"] for point in found["points"]] == [0, 0.5, 1]
    assert found["best"] == 0.05
    assert found["indistinguishable"] == [0.0, 0.05, 0.25]  # two samples of four: p = 0.5
    assert found["interval"] == (0.0, 0.25)


def many(right: int) -> list[dict[str, Any]]:
    coarse = {"branch": "ambiguous"}
    return [
        {"question_id": i, "status": "ok", "correct": i < right, "coarse": coarse}
        for i in range(100)
    ]


def test_the_interval_ends_where_a_value_can_be_told_from_the_best() -> None:
    rights = {0.0: 80, 0.1: 88, 0.2: 90, 0.3: 89, 0.4: 70, 0.5: 87}
    found = sweep({beta: many(right) for beta, right in rights.items()})
    assert found["best"] == 0.2
    assert found["indistinguishable"] == [0.1, 0.2, 0.3, 0.5]  # 10 of 10 lost: p = 0.002
    assert found["interval"] == (0.1, 0.3)


def test_of_images_that_cannot_be_read_no_value_is_the_best() -> None:
    broken = [{"question_id": "a", "status": "error", "correct": False}]
    assert best_line("β", sweep({0.1: broken, 0.2: broken})) == (
        "No image was answered, so no value is best."
    )
    assert best_line("β", sweep({0.1: many(50), 0.2: many(50)})).startswith("Best: β = 0.1.")


def test_of_equally_good_values_the_smallest_is_named() -> None:
    assert sweep({0.1: many(50), 0.2: many(50)})["best"] == 0.1


@pytest.mark.parametrize(
    ("variance", "range_of_runs"), [("population", (0.05, 0.2)), ("sample", (0.1, 0.4))]
)
def test_the_outer_runs_cover_every_alpha_under_both_variances(
    variance: Any, range_of_runs: tuple[float, float]
) -> None:
    config = replace(MethodConfig(), variance=variance)
    alphas = {v: swept_alphas([0.2, 0.1], v) for v in ("population", "sample")}
    runs = outer_runs(config, "paper", alphas)  # type: ignore[arg-type]
    assert tuple(run.config.alpha for run in runs) == range_of_runs


def test_unless_given_alpha_covers_the_variances_whole_range() -> None:
    assert swept_alphas(None, "population")[::10] == (0.0, 0.125, 0.25)
    assert swept_alphas(None, "sample")[::10] == (0.0, 0.25, 0.5)
    assert swept_alphas([0.3, 0.1, 0.1], "population") == (0.1,)
    assert swept_alphas([0.3, 0.1, 0.1], "sample") == (0.1, 0.3)


@pytest.mark.parametrize("alpha", [-0.01, 0.51, float("nan")])
def test_an_alpha_that_no_variance_reaches_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match=r"\[0, 0.25\] \(population\), \[0, 0.5\] \(sample\)"):
        swept_alphas([0.1, alpha], "population")


def test_values_that_share_a_folders_name_are_one() -> None:
    assert distinct([0.2, 0.1, 0.1 + 1e-16, 0.30000000000000004]) == (0.1, 0.2, 0.3)
    assert distinct([0.1, 0.10000001]) == (0.1, 0.10000001)


def test_a_preset_without_a_gate_has_no_alpha_to_sweep() -> None:
    with pytest.raises(InputError, match="no gate"):
        outer_runs(PRESETS["released-2025-07"], "released-2025-07", {"sample": [0.1]})
