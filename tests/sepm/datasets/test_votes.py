import pytest

from sepm.datasets.votes import TIES, VoteRow, parse_votes, questions_by_votes, top_classes
from sepm.errors import InputError

TIED = VoteRow(3, "a.jpg", {"fear": 3, "awe": 3, "anger": 1})
CLEAR = VoteRow(4, "b.jpg", {"fear": 0, "awe": 2, "anger": 1})


def test_votes_are_compared_as_numbers_not_as_text():
    nine, thirteen = parse_votes(["9", "13"])
    assert top_classes({"awe": nine, "fear": thirteen}) == ("fear",)


@pytest.mark.parametrize(
    ("ties", "labels"),
    [
        ("first", {"fear/a.jpg": ("fear",), "awe/b.jpg": ("awe",)}),
        ("drop", {"awe/b.jpg": ("awe",)}),
        ("any", {"fear/a.jpg": ("fear", "awe"), "awe/b.jpg": ("awe",)}),
    ],
)
def test_a_tie_is_resolved_as_asked_in_the_order_of_the_columns_and_counted(
    ties: str, labels: dict[str, tuple[str, ...]]
):
    questions, tied = questions_by_votes([TIED, CLEAR], ties)
    assert {question.question_id: question.labels for question in questions} == labels
    assert tied == 1


def test_a_question_by_votes_keeps_its_image_and_line():
    ((question,), _) = questions_by_votes([CLEAR], "first")
    assert (question.image, question.line, question.text) == ("b.jpg", 4, None)


@pytest.mark.parametrize("cell", ["many", "", "-1", "nan", "inf"])
def test_a_cell_that_is_no_number_of_votes_is_refused(cell: str):
    with pytest.raises(ValueError, match=rf"'{cell}' is not a number of votes"):
        parse_votes(["1", cell])


def test_a_row_without_votes_is_refused():
    with pytest.raises(ValueError, match="no votes in this row"):
        parse_votes(["0", "0"])


def test_an_unknown_tie_rule_is_told_with_the_nearest():
    assert TIES == ("first", "drop", "any")
    with pytest.raises(InputError, match="unknown tie rule 'frist'; did you mean 'first'"):
        questions_by_votes([], "frist")
