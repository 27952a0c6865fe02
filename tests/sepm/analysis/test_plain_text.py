"""Numbers as people read them; names of the user's in CSV and in Markdown tables."""

import csv
import io

import pytest

from sepm.analysis.plain_text import as_csv, grid, ways_read

ALL_LETTERS = {"letter": 4, "text": 0, "unread": 0}
MIXED = {"letter": 1, "text": 2, "unread": 1}


def test_answers_that_are_all_bare_letters_need_no_word() -> None:
    assert ways_read({"answers": ALL_LETTERS, "coarse": None}) is None
    assert ways_read({"answers": ALL_LETTERS, "coarse": {"answers": ALL_LETTERS}}) is None


def test_a_stage_whose_answers_are_not_all_letters_is_told() -> None:
    told = "1 bare letters, 2 read from text, 1 unread"
    assert ways_read({"answers": MIXED, "coarse": None}) == f"fine: {told}"
    summary = {"answers": ALL_LETTERS, "coarse": {"answers": MIXED}}
    assert ways_read(summary) == f"coarse: {told}"
    summary = {"answers": MIXED, "coarse": {"answers": MIXED}}
    assert ways_read(summary) == f"fine: {told}; coarse: {told}"


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\n", "\uff1d"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(begins: str) -> None:
    written = as_csv([{"question_id": f"{begins}cmd|x", "margin": -0.25, "p": None}])
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert row == {"question_id": f"'{begins}cmd|x", "margin": "-0.25", "p": ""}


def test_a_control_character_breaks_no_row() -> None:
    assert as_csv([{"question_id": "a\r\x1bb"}]) == "question_id\na\\r\\x1bb\n"


def test_any_other_cell_stays_as_it_is() -> None:
    assert as_csv([{"question_id": "a=b-c", "label": "joy"}]) == "question_id,label\na=b-c,joy\n"


def test_a_bar_in_a_name_makes_no_column() -> None:
    assert grid(("class", "n"), [("a|b", "1")])[2] == r"| a\|b  |  1 |"
