"""Changes between two records, and their margins, on records made by hand."""

from typing import Any

import pytest

from sepm.analysis.decision_changes import Change, answer_margin, changes, shifts

Json = dict[str, Any]
ALPHA = 0.1


def coarse(p_a: float = 0.9, p_b: float = 0.1, **fields: Any) -> Json:
    """A coarse stage that trusts its answer A, C = 0.16."""
    confidence = (p_a - p_b) ** 2 / 4
    trusted = "positive" if p_a > p_b else "negative"
    return {
        "prompt": "Q",
        "text": "A" if p_a > p_b else "B",
        "p_a": p_a,
        "p_b": p_b,
        "confidence": confidence,
        "branch": trusted if confidence > ALPHA else "ambiguous",
        **fields,
    }


def record(prediction: str | None = "awe", **fields: Any) -> Json:
    """A record of SEPM with 4 visual tokens, of which it drops the token 1."""
    return {
        "question_id": "awe/1.png",
        "prediction": prediction,
        "coarse": coarse(),
        "dropped": [1],
        "foe_scores": [0.4, 0.1, 0.2, 0.3],
        "fine": {"prompt": "q", "text": "C", "probs": {"A": 0.3, "C": 0.5, "D": 0.2}},
        **fields,
    }


def fine(text: str, **probs: float) -> Json:
    return {"prompt": "q", "text": text, "probs": probs}


def only(pair: tuple[Json, Json]) -> Change:
    (change,) = changes(pair, ALPHA)
    return change


def test_the_same_decisions_are_no_change_whatever_the_probabilities() -> None:
    moved = record(coarse=coarse(0.85, 0.12), fine=fine("C", A=0.1, C=0.8, D=0.1))
    assert changes((record(), moved), ALPHA) == []


def test_an_answer_changes_with_the_gap_of_the_best_two_options_of_each() -> None:
    other = record("amusement", fine=fine("A", A=0.45, C=0.41, D=0.14))
    change = only((record(), other))
    assert (change.what, change.values) == ("answer", ("awe", "amusement"))
    assert change.margins == pytest.approx((0.2, 0.04))
    assert change.follows is None


def test_rounding_leaves_both_margins_small_so_the_larger_counts() -> None:
    assert Change("answer", ("a", "b"), (1e-6, 0.3)).margin == 0.3
    assert Change("answer", ("a", "b"), (0.3, 1e-6)).is_beyond(1e-4)
    assert not Change("answer", ("a", "b"), (1e-4, 1e-6)).is_beyond(1e-4)


def test_an_answer_that_was_decoded_has_no_margin_and_is_not_taken_for_rounding() -> None:
    change = only((record(), record(None, fine=fine("I see a sky", A=0.1, C=0.1, D=0.1))))
    assert change.values == ("awe", None)
    assert change.margins == (pytest.approx(0.2), None)
    assert change.margin is None
    assert change.is_beyond(0.5)


def test_a_gate_that_turns_is_as_near_a_tie_as_the_confidence_is_to_alpha() -> None:
    first, second = coarse(0.82, 0.18), coarse(0.80, 0.18)
    assert first["confidence"] == pytest.approx(0.1024)
    assert second["confidence"] == pytest.approx(0.0961)
    change = only((record(coarse=first), record(coarse=second)))
    assert (change.what, change.values) == ("branch", ("positive", "ambiguous"))
    assert change.margins == pytest.approx((0.0024, 0.0039))


def test_a_coarse_answer_that_turns_takes_the_branch_with_it() -> None:
    answer, branch = changes((record(), record(coarse=coarse(0.1, 0.9))), ALPHA)
    assert (answer.what, answer.values) == ("coarse answer", ("A", "B"))
    assert answer.margins == pytest.approx((0.8, 0.8))
    assert (branch.values, branch.follows) == (("positive", "negative"), "coarse answer")
    assert answer.is_beyond(0.05)
    assert not branch.is_beyond(0.05)


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        # It may turn within the ambiguous branch.
        (coarse(0.5, 0.49), coarse(0.49, 0.5), "coarse answer"),
        # Of two answers off the menu the larger probability decides.
        (
            coarse(0.5, 0.49, text="well", branch="positive"),
            coarse(0.49, 0.5, text="well", branch="negative"),
            "branch",
        ),
    ],
)
def test_a_coarse_stage_that_turns_by_itself_has_the_gap_of_its_probabilities(
    first: Json, second: Json, what: str
) -> None:
    change = only((record(coarse=first), record(coarse=second)))
    assert (change.what, change.follows) == (what, None)
    assert change.margins == pytest.approx((0.01, 0.01))


def test_dropped_tokens_that_swap_have_the_gap_of_their_scores_as_a_share() -> None:
    other = record(dropped=[2], foe_scores=[0.4, 0.12, 0.1, 0.3])
    change = only((record(), other))
    assert (change.what, change.values) == ("dropped tokens", ([1], [2]))
    # Reference: 1 went with 0.1, 2 stayed with 0.2; the other: 2 with 0.1, 1 with 0.12.
    assert change.margins == pytest.approx((0.5, 1 / 6))
    assert change.cut == pytest.approx(0.5)


def test_the_widest_gap_between_swapped_tokens_counts_not_the_cut() -> None:
    reference = record(dropped=[0, 1], foe_scores=[0.1, 0.19, 0.2, 0.4])
    other = record(dropped=[1, 3], foe_scores=[0.1, 0.02, 0.2, 0.08])
    change = only((reference, other))
    assert change.values == ([0], [3])
    assert change.margins == pytest.approx((0.75, 0.2))  # (0.4 - 0.1) / 0.4, (0.1 - 0.08) / 0.1
    assert change.cut == pytest.approx(0.05)  # (0.2 - 0.19) / 0.2


def test_dropped_tokens_without_scores_are_not_taken_for_rounding() -> None:
    pair = tuple(record(dropped=[token]) for token in (1, 2))
    for row in pair:
        del row["foe_scores"]
    change = only((pair[0], pair[1]))
    assert change.margins == (None, None)
    assert change.cut is None
    assert change.is_beyond(0.5)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"coarse": coarse(0.80, 0.18)}, "branch"),
        ({"dropped": [2]}, "dropped tokens"),
        ({"coarse": coarse(0.80, 0.18), "dropped": [2]}, "branch"),
    ],
)
def test_an_answer_that_follows_from_an_earlier_change_is_not_held_against_rounding(
    fields: Json, cause: str
) -> None:
    other = record("fear", fine=fine("G", E=0.05, G=0.95), **fields)
    *_, answer = changes((record(), other), ALPHA)
    assert (answer.what, answer.follows) == ("answer", cause)
    assert not answer.is_beyond(0.05)


def test_a_method_of_one_stage_can_change_its_answer_alone() -> None:
    first, second = record("awe", dropped=[]), record("fear", dropped=[])
    for row in (first, second):
        del row["coarse"], row["foe_scores"]
    assert only((first, second)).what == "answer"


def test_one_option_alone_has_no_margin() -> None:
    assert answer_margin(record(fine=fine("A", A=0.2))) is None


def test_a_shift_is_the_largest_of_any_probability_of_the_same_query() -> None:
    other = record(coarse=coarse(0.89, 0.1), fine=fine("C", A=0.3, C=0.47, D=0.23))
    assert shifts((record(), other)) == pytest.approx({"coarse": 0.01, "fine": 0.03})


def test_what_saw_another_query_or_other_tokens_has_no_shift() -> None:
    asked = record(fine={"prompt": "other", "text": "A", "probs": {"A": 0.9}})
    dropped = record(dropped=[2], fine=fine("A", A=0.9, C=0.1, D=0.0))
    coarse_asked = record(coarse=coarse(0.5, prompt="other"))
    assert shifts((record(), asked)) == shifts((record(), dropped)) == {"coarse": 0.0}
    assert "coarse" not in shifts((record(), coarse_asked))
