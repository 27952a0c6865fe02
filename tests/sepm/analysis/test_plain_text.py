"""Numbers as people read them, and names of the user's in CSV."""

import csv
import io
from typing import Any

import pytest

from sepm.analysis.plain_text import as_csv, ways_read

ALL_LETTERS = {"letter": 4, "text": 0, "unread": 0}
MIXED = {"letter": 1, "text": 2, "unread": 1}


TOLD = "1 bare letters, 2 read from text, 1 unread"


@pytest.mark.parametrize(
    ("fine", "coarse", "told"),
    [
        (ALL_LETTERS, None, None),
        (ALL_LETTERS, {"answers": ALL_LETTERS}, None),
        (MIXED, None, f"fine: {TOLD}"),
        (ALL_LETTERS, {"answers": MIXED}, f"coarse: {TOLD}"),
        (MIXED, {"answers": MIXED}, f"fine: {TOLD}; coarse: {TOLD}"),
    ],
)
def test_a_stage_whose_answers_are_not_all_bare_letters_is_told(
    fine: Any, coarse: Any, told: str | None
) -> None:
    assert ways_read({"answers": fine, "coarse": coarse}) == told


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\n", "\uff1d"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(begins: str) -> None:
    written = as_csv([{"question_id": f"{begins}cmd|x", "margin": -0.25, "p": None}])
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert row == {"question_id": f"'{begins}cmd|x", "margin": "-0.25", "p": ""}


@pytest.mark.parametrize(("name", "written"), [("a\r\x1bb", r"a\r\x1bb"), ("a=b-c", "a=b-c")])
def test_a_control_character_is_written_out_and_any_other_stays(name: str, written: str) -> None:
    assert as_csv([{"question_id": name, "n": "1"}]) == f"question_id,n\n{written},1\n"
