"""Numbers as people read them."""

from sepm.evaluation.plain_text import ways_read

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
