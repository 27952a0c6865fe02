"""From annotators' votes to a label: the arg-max, and what a tie means."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sepm.datasets.question_file import Question
from sepm.errors import InputError, unknown_name

Ties = Literal["first", "drop", "any"]
"""The first of the tied columns; the image left out; any of the tied counts as correct."""


@dataclass(frozen=True)
class VoteRow:
    """The votes that one image got."""

    line: int
    """Line of the vote table."""
    image: str
    votes: Mapping[str, float]
    """Votes for each class name, in the order of the table's columns."""


def parse_votes(cells: list[str]) -> list[float]:
    """Votes as numbers: compared as text, "9" would beat "13".

    Raises:
        ValueError: a cell is not a number of 0 or more, or there is no vote at all.
    """
    votes: list[float] = []
    for cell in cells:
        try:
            vote = float(cell)
        except ValueError:
            vote = math.nan
        if not (math.isfinite(vote) and vote >= 0):
            raise ValueError(f"'{cell}' is not a number of votes; expected 0 or more")
        votes.append(vote)
    if not any(votes):
        raise ValueError("no votes in this row; expected at least one")
    return votes


def top_classes(votes: Mapping[str, float]) -> tuple[str, ...]:
    """The classes with the most votes, in the order of the columns; more than one is a tie."""
    most = max(votes.values())
    return tuple(name for name, vote in votes.items() if vote == most)


def labels_of(tied: tuple[str, ...], ties: Ties) -> tuple[str, ...]:
    """The class names that count as correct, the label first; none when the image is left out."""
    if ties == "drop" and len(tied) > 1:
        return ()
    return tied if ties == "any" else tied[:1]


def voted_question(image: str, labels: tuple[str, ...], line: int) -> Question:
    """A question whose id begins with the label, as every question id here."""
    label, *others = labels
    return Question(f"{label}/{image}", image, label, line=line, other_labels=tuple(others))


def tie_rule(value: str) -> Ties:
    """The tie rule of that name.

    Raises:
        InputError: no such rule.
    """
    for rule in get_args(Ties):
        if value == rule:
            return rule
    raise InputError(unknown_name("tie rule", value, get_args(Ties)))
