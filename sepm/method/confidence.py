"""Confidence of the coarse stage, and the branch that follows from it (Eq. 3, 4; Algorithm 1)."""

from typing import Literal

from sepm.method.taxonomy import Polarity

Variance = Literal["population", "sample"]
AmbiguousWhen = Literal["at-most", "below", "never"]
Branch = Literal["positive", "negative", "ambiguous"]

MAXIMUM_CONFIDENCE: dict[Variance, float] = {"population": 0.25, "sample": 0.5}
"""The confidence of p_A = 1, p_B = 0: the end of α's possible range."""

POLARITY_OF_LETTER: dict[str, Polarity] = {"A": "positive", "B": "negative"}
"""The option letters of the coarse query, and the branch that each of them chooses."""


def confidence(p_a: float, p_b: float, variance: Variance) -> float:
    """Confidence C of the coarse answer, the variance of p_A and p_B (Eq. 4).

    Args:
        p_a: probability of the letter A in [0, 1], of a softmax over the whole vocabulary (Eq. 3).
        p_b: probability of the letter B, likewise.
        variance: "population" divides by n = 2, as Eq. (4) does: C = (p_A - p_B)² / 4. "sample"
            divides by n - 1 = 1, as the released code does: C = (p_A - p_B)² / 2. One α therefore
            gates differently under each.
    """
    mean = (p_a + p_b) / 2
    squares = (p_a - mean) ** 2 + (p_b - mean) ** 2
    return squares / (2 if variance == "population" else 1)


def is_ambiguous(value: float, threshold: float, when: AmbiguousWhen) -> bool:
    """Whether a confidence does not suffice to trust the coarse answer.

    Algorithm 1 trusts C > α, so C = α is ambiguous ("at-most"), although the prose of section 3.2
    calls only C lower than α unreliable; the released code asks C < α ("below"); its first state
    had no gate ("never").
    """
    if when == "never":
        return False
    return value <= threshold if when == "at-most" else value < threshold


def gate_in_words(when: AmbiguousWhen, threshold: float) -> str:
    """The gate as one reads it: "ambiguous at or below α = 0.1"."""
    if when == "never":
        return "no gate"
    return f"ambiguous {'at or below' if when == 'at-most' else 'below'} α = {threshold:g}"


def choose_branch(letter: str | None, p_a: float, p_b: float, *, ambiguous: bool) -> Branch:
    """The fine query that follows the coarse answer.

    Args:
        letter: the coarse answer; anything but A and B is off the menu, and then the larger of
            p_A and p_B decides, A on a tie.
        ambiguous: whether the confidence does not suffice.
    """
    if ambiguous:
        return "ambiguous"
    if letter not in POLARITY_OF_LETTER:
        letter = "A" if p_a >= p_b else "B"
    return POLARITY_OF_LETTER[letter]
