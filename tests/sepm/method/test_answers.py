"""Reading an answer's text: the tables of docs/answers.md, and texts that no table can show."""

import re
import time
from pathlib import Path

import pytest

from sepm.datasets.tasks import load_taxonomy
from sepm.method.answers import COARSE_KEY, AnswerKey, fine_key

PAGE = (Path(__file__).parents[3] / "docs" / "answers.md").read_text(encoding="utf-8")
EMOSET = fine_key(load_taxonomy("emoset").classes)
WEBEMO = fine_key(load_taxonomy("webemo25").classes)


def key_of(section: str) -> AnswerKey:
    if section.startswith("WebEmo"):
        return WEBEMO
    return COARSE_KEY if section.startswith("The coarse query") else EMOSET


def table() -> list[tuple[AnswerKey, str, str | None]]:
    """The page's rows: the key of their section, the text, the letter or None."""
    return [
        (key_of(section), text.replace("⏎", "\n"), None if letter == "–" else letter)
        for section in PAGE.split("\n## ")[1:]
        for text, letter in re.findall(r"^\| `(.+)` \| (.) \|$", section, re.MULTILINE)
    ]


@pytest.mark.parametrize(("key", "text", "letter"), table())
def test_a_text_is_read_as_the_page_says(key: AnswerKey, text: str, letter: str | None) -> None:
    assert key.read(text) == letter


def test_the_page_has_a_row_for_every_line_of_its_tables() -> None:
    assert len(table()) == PAGE.count("\n| `") >= 100


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "\0", "?", "\\", "`", "|", "\ud83d", "😀"])
def test_what_holds_no_word_is_unread(text: str) -> None:
    assert EMOSET.read(text) is None


@pytest.mark.parametrize("mark", ["\0", "\ufeff", "\u200b", "\t", "✅", "😀"])
def test_what_cannot_be_seen_and_emoji_do_not_hide_the_answer(mark: str) -> None:
    assert EMOSET.read(f"{mark}D{mark}") == EMOSET.read(f"The answer is {mark} D") == "D"


@pytest.mark.parametrize("text", ["$% B", "\ufffd B"])
def test_a_letter_behind_rubbish_is_unread(text: str) -> None:
    assert EMOSET.read(text) is None


def test_backquotes_are_mark_up() -> None:
    assert EMOSET.read("`D`") == "D"
    assert EMOSET.read("```\nD\n```") == "D"


@pytest.mark.parametrize("name", ["emoset", "emotion6", "webemo7", "webemo25", "abstract"])
def test_every_class_of_every_task_is_read_by_letter_word_and_name(name: str) -> None:
    taxonomy = load_taxonomy(name)
    key = fine_key(taxonomy.classes)
    for c in taxonomy.classes:
        letter, word = c.option_letter, c.option_text
        for text in (letter, f"({letter})", word, f"{letter}. {word}", f"The answer is {letter}."):
            assert key.read(text) == letter, text
        assert key.read(c.name) == key.read(f"The emotion is {c.name}.") == letter


def test_a_class_may_be_called_by_several_words_or_by_one_of_the_rule() -> None:
    key = AnswerKey((("A", ("Mixed feelings",)), ("B", ("None",)), ("C", ("C++",)), ("D", ("*",))))
    assert key.read("The answer is mixed feelings.") == "A"
    assert key.read("None") == "B"
    assert key.read("C++") == "C"
    assert key.read("*") is None


def test_a_word_that_two_classes_share_is_unread() -> None:
    key = AnswerKey((("A", ("Joy",)), ("B", ("Calm", "joy"))))
    assert key.read("Joy") is None
    assert key.read("B. Joy") is None
    assert key.read("Calm") == "B"


@pytest.mark.parametrize("text", ["D x ", "D.\n", "not D ", "(", "\\", "a.", "- ", "the ", "\n "])
def test_a_text_of_any_length_is_read_at_once(text: str) -> None:
    whole = text * (100_000 // len(text))

    def seconds() -> float:
        started = time.process_time()
        EMOSET.read(whole)
        return time.process_time() - started

    assert min(seconds() for _ in range(3)) < 0.1


def test_of_a_very_long_text_its_beginning_and_its_end_are_read() -> None:
    assert EMOSET.read("The answer is D" + " and so on" * 10_000) == "D"
    assert EMOSET.read("x" * 100_000 + " The answer is D") == "D"
