"""Numbers over the orders of the options, counted by hand."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sepm.analysis.decision_changes import SAME_INPUT, cause
from sepm.analysis.metrics import is_off_menu, summarize
from sepm.analysis.probabilities import final_probabilities
from sepm.analysis.rotations import as_document, rotation_summary
from sepm.documents import as_markdown
from tests.sepm.joys import JOYS

MOODS = replace(JOYS, classes=JOYS.classes[:3])
"""joy, fear and calm, with the letters A, B and C."""


def record(label: str, answers: str, prediction: str, *probs: tuple[float, ...]) -> dict[str, Any]:
    """A row whose orders were answered by these letters ("-": not read, "f": by that word)."""
    words = {"f": "It is fear."}
    rotations = [
        {
            "text": words.get(answer, answer),
            "read": None if answer == "-" else "text" if answer in words else "letter",
            "probs": dict(zip("ABC", p, strict=True)),
        }
        for answer, p in zip(answers, probs, strict=True)
    ]
    read = "mean" if prediction else None
    return {
        **{"question_id": label + answers, "label": label, "prediction": prediction or None},
        **{"correct": prediction == label, "status": "ok" if prediction else "unread"},
        "fine": {"text": "", "read": read, "probs": dict.fromkeys("ABC", 0.1), "prompt": "?"},
        "rotations": rotations,
        "dropped": [],
    }


ROWS = [
    # The orders are joy fear calm, fear calm joy, calm joy fear. joy in all three: A, C, B.
    record("joy", "ACB", "joy", (0.6, 0.2, 0.2), (0.1, 0.1, 0.8), (0.3, 0.7, 0.0)),
    # The letter A, whatever it stands for: joy, fear, calm. The mean says fear.
    record("fear", "AAA", "fear", (0.4, 0.3, 0.3), (0.9, 0.0, 0.1), (0.5, 0.2, 0.3)),
    # Unread, then fear by its word, then calm.
    record("calm", "-fA", "fear", (0.1, 0.1, 0.1), (0.5, 0.3, 0.1), (0.4, 0.1, 0.3)),
    # Unread in all: no flip, and wrong.
    record("joy", "---", "", (0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (0.0, 0.2, 0.0)),
]


def test_the_numbers_are_those_counted_by_hand() -> None:
    found = summarize(ROWS, MOODS)["rotations"]
    orders = found["orders"]
    assert [order["first_option"] for order in orders] == ["joy", "fear", "calm"]
    # Order 0: joy right, joy for fear, unread, unread. Order 1: joy and fear right, fear for calm.
    # Order 2: joy right, calm for fear, calm right.
    assert [order["correct"] for order in orders] == [1, 2, 2]
    assert [order["accuracy"] for order in orders] == [0.25, 0.5, 0.5]
    assert [order["unread"] for order in orders] == [2, 1, 1]
    assert {order["n"] for order in orders} == {4}
    assert found["order_mean"] == pytest.approx(5 / 12)
    assert found["mean_probability"]["accuracy"] == 0.5
    assert (found["circular"]["correct"], found["circular"]["accuracy"]) == (1, 0.25)
    assert (found["flipped"], found["flip_rate"]) == (2, 0.5)
    assert found["same_letter"] == 1  # the second; what was unread has no letter
    assert found["letter_prior"] == pytest.approx(
        {"A": 3.9 / 12, "B": 2.2 / 12, "C": 2.2 / 12}, abs=1e-12
    )


def test_either_of_two_tied_labels_is_right_in_every_order() -> None:
    tied = ROWS[1] | {"labels": ["fear", "joy"]}
    found = rotation_summary([tied], MOODS)
    assert found is not None
    assert [order["correct"] for order in found["orders"]] == [1, 1, 0]


def test_rows_of_one_order_say_nothing_about_orders() -> None:
    plain = [{key: value for key, value in row.items() if key != "rotations"} for row in ROWS]
    assert "rotations" not in summarize(plain, MOODS)
    assert "rotations" not in summarize([], MOODS)


def test_answers_by_the_mean_are_counted_apart() -> None:
    answers = summarize(ROWS, MOODS)["answers"]
    assert answers == {"letter": 0, "text": 0, "mean": 3, "unread": 1}


def test_another_number_of_orders_is_another_query() -> None:
    plain = {key: value for key, value in ROWS[0].items() if key != "rotations"}
    assert cause((plain, ROWS[0])) == "another query"
    assert cause((ROWS[0], ROWS[0])) == SAME_INPUT


def test_the_document_shows_every_number() -> None:
    summary = json.loads(json.dumps(rotation_summary(ROWS, MOODS)))
    text = as_markdown(as_document("zero-shot-rotations3", summary))
    assert "zero-shot-rotations3, 3 orders of the options, percent" in text
    assert "| 1     | fear                 |    50.00 |" in text
    assert "| all   | mean probability     |    50.00 |" in text
    assert "| all   | right in every order |    25.00 |" in text
    assert "flips: 2 of 4 samples have not the same class in all orders (50.00)" in text
    assert "answered by one letter in all orders, whatever it stands for: 1" in text
    assert "mean probability of each letter: A 32.50, B 18.33, C 18.33" in text


def test_numbers_by_class_follow_the_letters_that_a_query_numbered_anew() -> None:
    shown = {"A": 0.2, "B": 0.6}
    row = ROWS[0] | {"fine": {"probs": shown, "classes": ["joy", "calm"]}, "prediction": "calm"}
    assert final_probabilities(row, MOODS) == pytest.approx((0.25, 0.0, 0.75))
    assert not is_off_menu(row, MOODS)
    assert is_off_menu(row | {"fine": {"probs": {"A": 0.2, "B": 0.6}}}, MOODS)
