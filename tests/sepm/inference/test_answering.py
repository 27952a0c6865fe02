"""When a first token decides an answer, and when the text is read (section 4.1)."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sepm.datasets.tasks import load_taxonomy
from sepm.inference.answering import MAX_NEW_TOKENS, read_replies
from sepm.method.answers import COARSE_KEY, fine_key
from sepm.method.dialogue import Ask, Reply
from sepm.method.prompts import Query

VOCABULARY = "ABCDEFGHIT"  # T begins a text
KEY = fine_key(load_taxonomy("emoset").classes)


class Written(NamedTuple):
    """A `Prefill`, what follows each row's first token, and the rows' whole texts."""

    logits: Tensor
    attentions: None
    follows: list[str | None]
    texts: list[str]


class Writer:
    """A model that writes what it was told to."""

    def __init__(self) -> None:
        self.decoded: list[int] = []

    def option_id(self, option_letter: str) -> int:
        return VOCABULARY.index(option_letter)

    def second_tokens(self, prefill: Written, rows: Sequence[int]) -> list[str | None]:
        return [prefill.follows[row] for row in rows]

    def decode(self, prefill: Written, rows: Sequence[int], max_new_tokens: int) -> list[str]:
        assert max_new_tokens == MAX_NEW_TOKENS == 128
        self.decoded += rows
        return [prefill.texts[row] for row in rows]


def replies(*written: tuple[str, str | None, str], key: object = KEY) -> tuple[list[Reply], Writer]:
    """What is read of answers, each a first token, what the second adds, and the whole text."""
    firsts, follows, texts = (list(column) for column in zip(*written, strict=True))
    ids = torch.tensor([VOCABULARY.index(first) for first in firsts])
    logits = 5.0 * one_hot(ids, len(VOCABULARY)).float()
    model, ask = Writer(), Ask(Query("?"), ("A", "B"), key)  # type: ignore[arg-type]
    prefill = Written(logits, None, follows, texts)
    return read_replies(model, prefill, [ask] * len(ids)), model  # type: ignore[arg-type]


def test_a_letter_with_which_the_answer_ends_decides() -> None:
    (reply,), model = replies(("D", None, "not asked for"))
    assert (reply.letter, reply.text, reply.read) == ("D", "D", "letter")
    assert model.decoded == []


@pytest.mark.parametrize("follows", [".", ")", ":", ",", "\n", ".\n", ") Content", "\r\n"])
def test_a_letter_that_is_set_off_decides_whatever_comes_after(follows: str) -> None:
    (reply,), model = replies(("D", follows, "D" + follows + " A is wrong"))
    assert (reply.letter, reply.text, reply.read) == ("D", "D", "letter")
    assert model.decoded == []


@pytest.mark.parametrize(
    ("first", "follows", "text", "letter"),
    [
        ("F", "ear", "Fear", "G"),
        ("A", "we", "Awe", "C"),
        ("A", " man", "A man smiles. So the answer is D", "D"),
        ("A", " ", "A  man smiles.", None),
        ("D", "is", "Disgust", "E"),
        ("T", "he", "The answer is D.", "D"),
    ],
)
def test_a_letter_that_begins_a_word_or_a_sentence_does_not_decide(
    first: str, follows: str, text: str, letter: str | None
) -> None:
    (reply,), model = replies((first, follows, text))
    assert (reply.letter, reply.text) == (letter, text)
    assert reply.read == ("text" if letter else None)
    assert model.decoded == [0]


def test_only_the_answers_that_are_no_bare_letter_are_decoded() -> None:
    read, model = replies(("B", None, ""), ("F", "ear", "Fear"), ("H", ".", ""), ("T", "o", "To"))
    assert [reply.letter for reply in read] == ["B", "G", "H", None]
    assert sorted(model.decoded) == [1, 3]


def test_probabilities_are_those_of_the_first_token_however_the_answer_is_read() -> None:
    bare, word = (replies(("A", follows, "Awe"))[0][0] for follows in (None, "we"))
    assert bare.letter != word.letter
    assert bare.probs == word.probs


def test_a_letter_of_another_task_is_a_text() -> None:
    (reply,), model = replies(("C", None, "C"), key=COARSE_KEY)
    assert (reply.letter, reply.text, reply.read) == (None, "C", None)
    assert model.decoded == [0]
