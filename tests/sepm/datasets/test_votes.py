import pytest

from sepm.datasets.votes import Ties, labels_of, parse_votes, tie_rule, top_classes
from sepm.errors import InputError


def test_votes_are_compared_as_numbers_not_as_text():
    nine, thirteen = parse_votes(["9", "13"])
    assert top_classes({"awe": nine, "fear": thirteen}) == ("fear",)


def test_tied_classes_come_in_the_order_of_the_columns():
    assert top_classes({"fear": 3, "awe": 3, "anger": 1}) == ("fear", "awe")


@pytest.mark.parametrize(
    ("ties", "expected"),
    [("first", ("fear",)), ("drop", ()), ("any", ("fear", "awe"))],
)
def test_a_tie_is_resolved_as_asked(ties: Ties, expected: tuple[str, ...]):
    assert labels_of(("fear", "awe"), ties) == expected


@pytest.mark.parametrize("ties", ["first", "drop", "any"])
def test_a_single_winner_is_the_label_under_every_rule(ties: Ties):
    assert labels_of(("fear",), ties) == ("fear",)


@pytest.mark.parametrize("cell", ["many", "", "-1", "nan", "inf"])
def test_a_cell_that_is_no_number_of_votes_is_refused(cell: str):
    with pytest.raises(ValueError, match=rf"'{cell}' is not a number of votes"):
        parse_votes(["1", cell])


def test_a_row_without_votes_is_refused():
    with pytest.raises(ValueError, match="no votes in this row"):
        parse_votes(["0", "0"])


def test_an_unknown_tie_rule_is_told_with_the_nearest():
    with pytest.raises(InputError, match="unknown tie rule 'frist'; did you mean 'first'"):
        tie_rule("frist")
