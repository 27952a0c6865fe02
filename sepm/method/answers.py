"""Reading an answer: the option letter it gives, or None where it cannot be read.

The rule, for a text whose first token is not itself an option letter:

1. The text is, or begins with, an option letter set off by punctuation: "A", "(A)", "A. Amusement",
   "B) it is dark". A letter followed by a space is no answer: "A man smiles" begins with an
   article.
2. Otherwise letters are taken that are announced as the answer: "the answer is D", "Answer: D",
   "option (D)". They must all be the same letter.
3. Otherwise option words are looked for, as whole words in any case: exactly one class named.
4. Otherwise the text is unread. It counts as wrong, and it is counted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import Taxonomy

_LEADING = re.compile(r"\s*[(\[\"']?([A-Z])(?:[.:)\]\"',]|\s*$)")
_ANNOUNCED = re.compile(
    r"\b(?:answer|option|choice|letter)\b(?:\s+(?:is|would be))?\s*:?\s*[(\[\"']?([A-Z])\b(?!')",
    re.IGNORECASE,
)


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
        leading = _LEADING.match(text)
        if leading and leading[1] in self.letters:
            return leading[1]
        for candidates in (set(self._announced(text)), set(self._named(text))):
            if len(candidates) == 1:
                return candidates.pop()
            if candidates:
                return None
        return None

    def _announced(self, text: str) -> Iterator[str]:
        for match in _ANNOUNCED.finditer(text):
            if match[1] in self.letters:  # upper case only: "the answer is a dog" announces nothing
                yield match[1]

    def _named(self, text: str) -> Iterator[str]:
        for letter, words in self.words:
            if any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in words):
                yield letter


COARSE_KEY = AnswerKey(tuple((letter, (text,)) for letter, text in COARSE_OPTIONS.items()))


def fine_key(taxonomy: Taxonomy) -> AnswerKey:
    """The key of a task: a class is named by its option word or its class name."""
    return AnswerKey(tuple((c.option_letter, (c.option_text, c.name)) for c in taxonomy.classes))
