"""Reading an answer: the option letter it gives, or None where it cannot be read.

An answer whose first token is an option letter of the task never comes here: that token decides, as
in the released code. So "A man smiles", which begins with the token "A", is the answer A.

The rule for the texts that are decoded, asterisks and quotation marks left out:

1. Letters count that are announced as the answer ("the answer is D", "Answer: (D)", "option D.") or
   that the text is or begins with, set off by a full stop, colon or bracket ("D", "(D) Content",
   "D: calm"). All letters that are set off anywhere must be the same one.
2. Without such a letter, an option word or class name counts if it is the whole text, or is
   announced as the answer ("the answer is contentment").
3. Otherwise the text is unread. It counts as wrong, and it is counted. A word in passing proves
   nothing: "the content of the image", "there is no fear".
"""

import re
from dataclasses import dataclass

from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import Taxonomy

_IGNORED = re.compile("[*\"'`\u2018\u2019\u201c\u201d]")
_SET_OFF = r"(?:\(([A-Z])\)|\b([A-Z])(?=[.:)]|\s*$))"
_LEADING = re.compile(rf"\s*{_SET_OFF}")
_ANYWHERE = re.compile(_SET_OFF)
_LEAD_IN = r"\b(?:answer|option|choice|letter)(?:\s+(?:is|would be))?\s*:?\s*"
_ANNOUNCED = re.compile(rf"(?i:{_LEAD_IN}){_SET_OFF}")


@dataclass(frozen=True)
class AnswerKey:
    """The option letters of a task, each with the words that name it."""

    words: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def letters(self) -> tuple[str, ...]:
        """All option letters."""
        return tuple(letter for letter, _ in self.words)

    def read(self, text: str) -> str | None:
        """The option letter that a decoded answer gives, by the rule above; None: unread."""
        text = _IGNORED.sub("", text).strip()
        if _LEADING.match(text) or _ANNOUNCED.search(text):
            letters = {one or other for one, other in _ANYWHERE.findall(text)}
            return letters.pop() if len(letters) == 1 and letters <= {*self.letters} else None
        named = {letter for letter, words in self.words if _names(text, words)}
        return named.pop() if len(named) == 1 else None


def _names(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text is one of the words, or announces it as the answer."""
    word = "|".join(map(re.escape, words))
    return bool(
        re.fullmatch(rf"(?:{word})\W*", text, re.IGNORECASE)
        or re.search(rf"{_LEAD_IN}(?:{word})\s*(?:[.,;:!]|$)", text, re.IGNORECASE)
    )


COARSE_KEY = AnswerKey(tuple((letter, (text,)) for letter, text in COARSE_OPTIONS.items()))


def fine_key(taxonomy: Taxonomy) -> AnswerKey:
    """The key of a task: a class is named by its option word or its class name."""
    return AnswerKey(tuple((c.option_letter, (c.option_text, c.name)) for c in taxonomy.classes))
