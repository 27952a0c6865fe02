"""Numbers on eight hand-made records of a task with two positive and two negative classes."""

from dataclasses import replace
from typing import Any

import pytest

from sepm.analysis.metrics import summarize
from sepm.method.taxonomy import Taxonomy
from tests.sepm.joys import JOYS

BRANCH_LETTERS = {"positive": "AC", "negative": "BD", "ambiguous": "ABCD"}


def record(
    label: str,
    prediction: str | None,
    branch: str | None = None,
    coarse: str = "",
    p_a: float = 0.0,
    p_b: float = 0.0,
) -> dict[str, Any]:
    made: dict[str, Any] = {
        **{"question_id": f"{label}/{prediction}", "label": label, "prediction": prediction},
        **{"correct": prediction == label, "status": "ok" if prediction else "unread"},
        "fine": {"probs": dict.fromkeys(BRANCH_LETTERS[branch or "ambiguous"], 0.1)},
    }
    if branch:
        off_menu = coarse not in ("A", "B", "Negative.")
        made["coarse"] = {"text": coarse, "p_a": p_a, "p_b": p_b}
        made["coarse"] |= {"branch": branch, "off_menu": off_menu}
    return made


RECORDS = [
    record("joy", "joy", "positive", "A", 0.9, 0.1),
    record("joy", "calm", "positive", "A", 0.9, 0.1),
    record("joy", None, "negative", "B", 0.1, 0.9),
    record("fear", "fear", "ambiguous", "A", 0.5, 0.4),
    record("fear", "grief", "ambiguous", "Negative.", 0.3, 0.2),
    record("calm", "fear", "positive", "C", 0.8, 0.1),
    record("calm", "calm", "ambiguous", "what?", 0.2, 0.2),
    record("grief", "grief", "ambiguous", "", 0.1, 0.2),
]


# Polarity: wrong of the unread answer, and of fear for calm. Off the menu: fear (B) was answered in
# the positive branch, which offers A and C. F1: 2 TP / (2 TP + FP + FN) of joy, fear, calm, grief.
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("n", 8), ("correct", 4), ("accuracy", 0.5), ("chance", 0.25), ("unread", 1)],
        *[("polarity_accuracy", 6 / 8), ("off_menu", 1)],
        ("macro_f1", (2 / (2 + 0 + 2) + 2 / (2 + 1 + 1) + 2 / (2 + 1 + 1) + 2 / (2 + 1 + 0)) / 4),
    ],
)
def test_numbers_of_the_summary_are_those_counted_by_hand(name: str, value: float) -> None:
    assert summarize(RECORDS, JOYS)[name] == pytest.approx(value)


# Right: rows 1 and 2; row 5 in words; row 6 by p_A > p_B, its answer naming neither; row 7 by the
# tie that goes to A; row 8 by p_B > p_A. Wrong: B for joy, A for fear. Of five wrong rows only the
# unread joy in the negative branch had no right class on offer: its error is inherited.
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("accuracy", 6 / 8), ("ambiguous_rate", 4 / 8), ("off_menu", 3)],
        *[("inherited_errors", 1), ("inherited_share", 1 / 4)],
    ],
)
def test_numbers_of_the_coarse_stage_are_those_counted_by_hand(name: str, value: float) -> None:
    coarse = summarize(RECORDS, JOYS)["coarse"]
    assert coarse[name] == value
    assert sum(row["n"] for row in coarse["confidence"]["bins"]) == 8


def test_the_ways_in_which_answers_were_read_are_counted_for_each_stage() -> None:
    ways = [("letter", "letter"), ("text", "letter"), (None, "text"), ("letter", None)]
    rows = [record("joy", "joy", "positive", "A", 0.9, 0.1) for _ in ways]
    for row, (coarse, fine) in zip(rows, ways, strict=True):
        row["coarse"]["read"], row["fine"]["read"] = coarse, fine
    summary = summarize(rows, JOYS)
    assert summary["coarse"]["answers"] == {"letter": 2, "text": 1, "unread": 1}
    assert summary["answers"] == {"letter": 2, "text": 1, "unread": 1}


def test_rows_with_errors_are_counted_and_left_out_of_n() -> None:
    broken = {"label": "joy", "prediction": None, "correct": False, "status": "error", "error": "x"}
    summary = summarize([*RECORDS, broken, broken], JOYS)
    assert (summary["errors"], summary["n"]) == (2, 8)
    assert summary["per_class"]["joy"]["n"] == 3


def test_each_class_has_its_own_accuracy() -> None:
    assert summarize(RECORDS, JOYS)["per_class"] == {
        "joy": {"n": 3, "correct": 1, "accuracy": 1 / 3},
        "fear": {"n": 2, "correct": 1, "accuracy": 0.5},
        "calm": {"n": 2, "correct": 1, "accuracy": 0.5},
        "grief": {"n": 1, "correct": 1, "accuracy": 1.0},
    }


def test_rows_of_the_confusion_matrix_are_labels_and_columns_predictions() -> None:
    assert summarize(RECORDS, JOYS)["confusion"] == {
        "labels": ["joy", "fear", "calm", "grief"],
        "predictions": ["joy", "fear", "calm", "grief", "unread"],
        "counts": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]],
    }


def test_a_class_called_unread_is_told_from_answers_that_could_not_be_read() -> None:
    names = ("unread", "fear", "(unread)", "grief")
    classes = (replace(c, name=n) for c, n in zip(JOYS.classes, names, strict=True))
    task = Taxonomy("odd", "Odd names", tuple(classes))
    summary = summarize([record("unread", "unread"), record("unread", None)], task)
    assert summary["confusion"]["predictions"] == [*names, "((unread))"]
    assert summary["confusion"]["counts"][0] == [1, 0, 0, 0, 1]
    assert (summary["accuracy"], summary["unread"]) == (0.5, 1)
    assert summary["macro_f1"] == pytest.approx(2 / 3)  # the unread answer was not right


def test_macro_f1_leaves_out_classes_that_are_no_label() -> None:
    rows = [record("joy", "joy"), record("joy", "fear")]
    assert summarize(rows, JOYS)["macro_f1"] == pytest.approx(2 / 3)


def test_a_method_of_one_stage_has_no_coarse_numbers() -> None:
    assert summarize([record("joy", "joy")], JOYS)["coarse"] is None


def test_nothing_run_gives_no_fractions() -> None:
    summary = summarize([], JOYS)
    assert (summary["n"], summary["correct"], summary["errors"]) == (0, 0, 0)
    for name in ("accuracy", "ci95", "macro_f1", "polarity_accuracy", "coarse"):
        assert summary[name] is None, name
    assert summary["per_class"]["joy"] == {"n": 0, "correct": 0, "accuracy": None}


# ---- tied labels


def test_a_prediction_of_any_tied_label_counts_under_that_label() -> None:
    row = {**record("joy", "grief"), "labels": ["joy", "grief"], "correct": True}
    summary = summarize([row], JOYS)
    assert (summary["accuracy"], summary["macro_f1"], summary["polarity_accuracy"]) == (1, 1, 1)
    assert summary["per_class"]["grief"] == {"n": 1, "correct": 1, "accuracy": 1.0}
    assert summary["per_class"]["joy"]["n"] == 0
