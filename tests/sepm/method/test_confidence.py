"""Eq. (4), the gate of Algorithm 1, and the branch that follows, by hand-computed numbers."""

import math

import pytest

from sepm.method.confidence import Variance, choose_branch, confidence, is_ambiguous


@pytest.mark.parametrize(
    ("variance", "of_the_square", "maximum"), [("population", 1 / 4, 0.25), ("sample", 1 / 2, 0.5)]
)
def test_a_variance_is_a_quarter_or_half_of_the_squared_difference(
    variance: Variance, of_the_square: float, maximum: float
) -> None:
    assert confidence(0.9, 0.1, variance) == pytest.approx(0.64 * of_the_square)
    assert confidence(0.37, 0.37, variance) == 0.0
    assert confidence(1.0, 0.0, variance) == maximum


def test_confidence_equal_to_alpha_is_ambiguous_in_the_paper_and_not_in_the_released_code() -> None:
    assert is_ambiguous(0.1, 0.1, "at-most")
    assert not is_ambiguous(0.1, 0.1, "below")


def test_the_papers_gate_lies_at_a_difference_of_0_632() -> None:
    gap = 2 * math.sqrt(0.1)
    assert gap == pytest.approx(0.632, abs=5e-4)
    assert is_ambiguous(confidence(0.5 + 0.631 / 2, 0.5 - 0.631 / 2, "population"), 0.1, "at-most")
    assert not is_ambiguous(confidence(0.8165, 0.1835, "population"), 0.1, "at-most")


def test_the_released_gate_lies_at_a_difference_of_0_447() -> None:
    assert math.sqrt(0.2) == pytest.approx(0.447, abs=5e-4)
    assert is_ambiguous(confidence(0.723, 0.277, "sample"), 0.1, "below")
    assert not is_ambiguous(confidence(0.724, 0.276, "sample"), 0.1, "below")


def test_without_a_gate_nothing_is_ambiguous() -> None:
    assert not is_ambiguous(0.0, 0.25, "never")


def test_equal_probabilities_are_ambiguous_even_at_alpha_zero_in_the_paper() -> None:
    assert is_ambiguous(confidence(0.4, 0.4, "population"), 0.0, "at-most")


@pytest.mark.parametrize(
    ("letter", "p_a", "p_b", "branch"),
    [
        ("A", 0.9, 0.05, "positive"),
        ("B", 0.05, 0.9, "negative"),
        (None, 0.3, 0.2, "positive"),
        (None, 0.2, 0.3, "negative"),
        ("C", 0.2, 0.3, "negative"),
        (None, 0.2, 0.2, "positive"),
    ],
)
def test_the_answer_chooses_the_branch_and_off_the_menu_the_larger_probability_does(
    letter, p_a, p_b, branch
) -> None:
    assert choose_branch(letter, p_a, p_b, ambiguous=False) == branch


def test_an_ambiguous_sample_is_asked_among_all_classes_whatever_the_answer() -> None:
    assert choose_branch("A", 0.9, 0.1, ambiguous=True) == "ambiguous"
