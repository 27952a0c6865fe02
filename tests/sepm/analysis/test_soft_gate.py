"""The soft gate on hand-made rows, and on random ones by other code."""

import re
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from sepm.analysis.soft_gate import (
    FULL,
    HARD,
    LARGEST,
    SOFT,
    as_document,
    largest_answered,
    soft_gate,
    soft_gated,
)
from sepm.documents import Grid
from sepm.errors import InputError
from tests.sepm.joys import JOYS

from .random_rows import Json, random_rows, stored


def pair(p_a: float, p_b: float, s: tuple[float, ...], label: str = "calm") -> tuple[Json, Json]:
    """A coarse row and a row with all options: joy, fear, calm, grief."""
    own = {"question_id": label, "label": label, "status": "ok", "dropped": []}
    probs = dict(zip("ABCD", s, strict=True))
    full = {**own, "prediction": "fear", "correct": label == "fear"}
    coarse = {"p_a": p_a, "p_b": p_b, "branch": "ambiguous"}
    fine = {"prompt": "?", "probs": probs}
    return {**full, "coarse": coarse, "fine": fine}, {**full, "fine": fine}


def test_each_class_is_weighed_by_the_coarse_probability_of_its_polarity() -> None:
    # 0.8 × 0.1, 0.2 × 0.6, 0.8 × 0.2, 0.2 × 0.1: the sum is 0.38, and calm has the most.
    found = soft_gated(*pair(0.8, 0.2, (0.1, 0.6, 0.2, 0.1)), JOYS)
    expected = {"A": 0.08 / 0.38, "B": 0.12 / 0.38, "C": 0.16 / 0.38, "D": 0.02 / 0.38}
    assert found["fine"]["probs"] == pytest.approx(expected)
    assert (found["prediction"], found["correct"]) == ("calm", True)


def test_equal_coarse_probabilities_change_nothing_and_a_certain_one_shuts_out() -> None:
    rows = pair(0.3, 0.3, (0.1, 0.6, 0.2, 0.1))
    found, without = soft_gated(*rows, JOYS), largest_answered(rows[1], JOYS)
    assert found["fine"]["probs"] == pytest.approx(without["fine"]["probs"])
    assert found["prediction"] == without["prediction"] == "fear"
    certain = soft_gated(*pair(0.9, 0.0, (0.2, 0.6, 0.1, 0.1)), JOYS)
    assert list(certain["fine"]["probs"].values()) == pytest.approx([2 / 3, 0, 1 / 3, 0])


def test_of_equal_products_the_first_class_answers() -> None:
    assert soft_gated(*pair(0.5, 0.5, (0.1, 0.4, 0.1, 0.4)), JOYS)["prediction"] == "fear"
    found = soft_gated(*pair(0.0, 1.0, (0.5, 0.0, 0.5, 0.0)), JOYS)
    assert found["prediction"] == "joy"
    assert set(found["fine"]["probs"].values()) == {0.25}


def test_any_of_tied_labels_is_right() -> None:
    coarse, full = pair(0.8, 0.2, (0.1, 0.6, 0.2, 0.1), "joy")
    assert not soft_gated(coarse, full, JOYS)["correct"]
    assert soft_gated(coarse, full | {"labels": ["joy", "calm"]}, JOYS)["correct"]


COARSE, ALL = random_rows(120, 4, staged=True), random_rows(120, 8, staged=False)
for coarse_row, full_row in zip(COARSE, ALL, strict=True):
    own = {name: coarse_row[name] for name in ("question_id", "image", "label")}
    full_row |= own | {"correct": full_row["prediction"] == own["label"]}


def test_random_runs_are_rescored_and_paired_as_other_code_does() -> None:
    found = soft_gate(stored(COARSE), stored(ALL))
    s = np.array([[r["fine"]["probs"][x] for x in "ABCD"] for r in ALL])
    weights = np.array([[r["coarse"][p] for p in ("p_a", "p_b", "p_a", "p_b")] for r in COARSE])
    truth = np.array([JOYS.names.index(r["label"]) for r in ALL])
    right = {
        HARD: np.array([r["correct"] for r in COARSE]),
        FULL: np.array([r["correct"] for r in ALL]),
        LARGEST: s.argmax(axis=1) == truth,
        SOFT: (s * weights).argmax(axis=1) == truth,
    }
    for name, own in right.items():
        assert found["rows"][name]["accuracy"] == pytest.approx(own.mean())
        if name != SOFT:
            gained, lost = (right[SOFT] & ~own).sum(), (~right[SOFT] & own).sum()
            versus = found["versus"][name]
            assert (versus["gained"], versus["lost"]) == (gained, lost)
            assert versus["p"] == pytest.approx(binomtest(gained, gained + lost).pvalue)
    p = s * weights / (s * weights).sum(axis=1, keepdims=True)
    brier = ((p - np.eye(4)[truth]) ** 2).sum(axis=1).mean()
    assert found["rows"][SOFT]["final"]["brier"] == pytest.approx(brier)
    assert (found["ambiguous"], found["same_query"]) == (40, 40)


def test_the_text_has_all_four_answers_and_three_comparisons() -> None:
    document = as_document(soft_gate(stored(COARSE), stored(ALL)))
    rows, versus = (part for part in document if isinstance(part, Grid))
    assert [line[0] for line in rows.rows] == [HARD, FULL, LARGEST, SOFT]
    assert [line[0] for line in versus.rows] == [HARD, FULL, LARGEST]


@pytest.mark.parametrize(
    ("coarse", "full", "said"),
    [
        (ALL, ALL, "one has no coarse stage; give a run of cci or sepm"),
        (COARSE, COARSE, "was not shown all options; give a run of zero-shot or fp"),
        (COARSE, ALL[:0], "one and two have no question in common"),
        (COARSE, [r | {"label": "joy"} for r in ALL], "label is"),
        (
            [r | {"image_sha256": "a"} for r in COARSE],
            [r | {"image_sha256": "b"} for r in ALL],
            "image_sha256 is 'a' in one and 'b' in two",
        ),
    ],
)
def test_runs_that_do_not_fit_are_refused(coarse: Any, full: Any, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        soft_gate(stored(coarse, "one"), stored(full, "two"))
