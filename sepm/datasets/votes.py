"""Labels from annotators' votes: the arg-max, and the rules for ties."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sepm.datasets.question_file import MOST_VOTES, Question
from sepm.errors import require_known

TIES = ("first", "drop", "any")
"""The first of the tied columns; the image left out; any of the tied counts as correct."""


@dataclass(frozen=True)
class VoteRow:
    """The votes that one image got."""

    line: int
    """Line of the vote table or, where a list names the image, of the list."""
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
        if not 0 <= vote <= MOST_VOTES:
            raise ValueError(f"'{cell}' is not a number of votes; expected 0 or more")
        votes.append(vote)
    if not any(votes):
        raise ValueError("no votes in this row; expected at least one")
    return votes


def top_classes(votes: Mapping[str, float]) -> tuple[str, ...]:
    """The classes with the most votes, in the order of the columns; more than one is a tie."""
    most = max(votes.values())
    return tuple(name for name, vote in votes.items() if vote == most)


def questions_by_votes(rows: Iterable[VoteRow], ties: str) -> tuple[list[Question], int]:
    """Questions labelled with the class of the most votes, and the number of images with a tie.

    `question_id` begins with the label, as every one here.

    Args:
        rows: images with at least one vote.
        ties: one of `TIES`.

    Raises:
        InputError: no such tie rule.
    """
    require_known("tie rule", ties, TIES)
    questions: list[Question] = []
    tied = 0
    for row in rows:
        top = top_classes(row.votes)
        tied += len(top) > 1
        if len(top) == 1 or ties != "drop":
            label, *others = top if ties == "any" else top[:1]
            question_id = f"{label}/{row.image}"
            votes = tuple(row.votes.items())
            questions.append(
                Question(question_id, row.image, label, None, row.line, (*others,), votes)
            )
    return questions, tied
