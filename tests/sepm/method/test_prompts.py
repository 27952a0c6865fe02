"""The queries, to the character."""

import pytest

from sepm.datasets.tasks import load_taxonomy
from sepm.method.prompts import (
    PREDOMINANT_PHRASE,
    FoeTokens,
    Query,
    coarse_body,
    fine_body,
    foe_span,
    without_phrase,
)

EMOSET = load_taxonomy("emoset")
PHRASE = "Please focus on emotion."


def test_the_coarse_query_is_that_of_section_3_2() -> None:
    assert coarse_body(EMOSET) == (
        "Which of the following descriptions best represents the image?\n"
        "A. Positive\n"
        "B. Negative\n"
        "Positive emotions include amusement, awe, contentment, excitement. "
        "Negative emotions include anger, disgust, fear, sadness.\n"
        "Answer directly with the letter of the chosen option."
    )


def test_a_fine_query_keeps_the_letters_of_the_full_list() -> None:
    assert fine_body(EMOSET.of_polarity("positive"), "Which?", "Answer.") == (
        "Which?\nA. Amusement\nC. Awe\nD. Content\nF. Excitement\nAnswer."
    )


def test_an_ambiguous_query_says_so_before_the_question_and_offers_all() -> None:
    assert fine_body(EMOSET.classes, "Which?", "Answer.", ambiguous=True) == (
        "This is an ambiguous emotion.\nWhich?\nA. Amusement\nB. Anger\nC. Awe\nD. Content\n"
        "E. Disgust\nF. Excitement\nG. Fear\nH. Sad\nAnswer."
    )


def test_the_phrase_stands_on_a_line_before_the_query() -> None:
    assert Query("Which?", PHRASE).text == "Please focus on emotion.\nWhich?"
    assert Query("Which?").text == "Which?"


@pytest.mark.parametrize(
    ("foe_tokens", "text", "skipped"),
    [
        ("phrase", "Please focus on emotion", 0),  # the paper's
        ("phrase-and-stop", "Please focus on emotion.", 0),
        ("all-but-first-token", "Please focus on emotion", 1),  # the released code's
    ],
)
def test_foe_tokens_are_the_phrase_with_or_without_its_stop_or_its_first_token(
    foe_tokens: FoeTokens, text: str, skipped: int
) -> None:
    start, end, skip = foe_span(Query("Which?", PHRASE), foe_tokens)
    assert (PHRASE[start:end], skip) == (text, skipped)


def test_a_query_without_phrase_has_no_foe_tokens() -> None:
    with pytest.raises(ValueError, match="no Focus-on-Emotion phrase"):
        foe_span(Query("Which?"), "phrase")


def test_the_phrase_of_a_question_file_is_taken_off_once() -> None:
    assert without_phrase("Please focus on emotion.\nWhich?", PHRASE) == ("Which?", True)
    assert without_phrase("Which?\n", PHRASE) == ("Which?", False)


def test_a_question_files_other_known_phrase_is_taken_off_too_so_that_no_prompt_has_two() -> None:
    text = "Please focus on emotion.\nWhich?"
    assert without_phrase(text, PREDOMINANT_PHRASE) == ("Which?", False)
