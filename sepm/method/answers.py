"""Reading an answer's text: the option letter it gives, or None where it cannot be read.

A text is cut into sentences and clauses. A clause may hold a *pick*: an option letter, a class by
its name or option word, or several of them ("D. Content", "A or B"). A clause

- *rejects* its pick: "not D", "D is wrong", "A. Amusement: no", "neither A nor B";
- *affirms* it as the answer ("the answer is D", "I choose D", "D is correct") or by a statement
  ("the image conveys sadness", or the pick alone, where the text, a line or the last sentence
  begins);
- or says nothing: a question, "could", "because", a word in passing ("the content of the image").

An answer counts more than a statement, either more after "so" or "therefore", most as "final". The
affirmations that count most decide: all must pick one and the same letter of the task, and no
rejection that counts as much may name it. Whatever comes after the last of them counts as much,
for it may correct it: "The answer is A. No, wait, D." All else is unread. A table of texts and
their readings, which is the test too, is in docs/answers.md.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import EmotionClass
from sepm.method.word_kinds import Options, words_of

_ANSWER = 3
"""Weight of what is said to be the answer, above every statement, also a concluding one."""
_LONGEST = 2000
"""Characters of the longest text that is read whole, more than an answer of 128 tokens has."""

# Kinds of words that may stand between a verb and its pick, and those before an affirmed pick.
_FILLING = "FTDtNIYR"
_LEADING_UP = _FILLING + "LVZBCo:"
_PICKS = re.compile(
    # A name that stands behind a letter belongs to it unless it goes on: "D. Fear is absent".
    r"[PM](?:(?:[,/()o-]*+[FDtNH]*+|:)P"
    r"|(?:[,/()o-]*+[FDtNH]*+|[.:)])M(?=[^LWTXH]|$)|[.:]?\nM(?=[.\n]|$))*"
)
_REJECTING = re.compile(r"(?<=[PM])(?:[.\n]\n?(?!XY?,)|[:,(-])(?=(?:XY?|x)(?:[.,!)\nS]|$))")
"""What stands between a pick and its rejection: "D: wrong"."""
_SENTENCE = re.compile(r"([^.!?\n]*)([.!?\n]|$)")
_CLAUSE = re.compile(r"[SBCKo]?[^-,()/SBCKo]*")


@dataclass(frozen=True)
class _Claim:
    """Statement of a clause about its pick."""

    letters: frozenset[str]
    affirmed: bool
    weight: int


@dataclass(frozen=True)
class AnswerKey:
    """The option letters that count as an answer, each with the words that name it."""

    words: Options

    @property
    def letters(self) -> tuple[str, ...]:
        """All option letters."""
        return tuple(letter for letter, _ in self.words)

    def read(self, text: str) -> str | None:
        """The option letter that a decoded answer gives, by the rule above; None: unread.

        Of a text beyond any answer's length the first and last thousand characters are read.
        """
        if len(text) > _LONGEST:
            start, end = text[: _LONGEST // 2], text[-_LONGEST // 2 :].partition(" ")[2]
            text = f"{start} … {end}"
        claims = list(_claims(*words_of(text, self.words)))
        top = max((c.weight for c in claims if c.affirmed), default=0)
        last = max((i for i, c in enumerate(claims) if c.affirmed and c.weight == top), default=0)
        decisive = [c for i, c in enumerate(claims) if c.weight >= top or i > last]
        picked = frozenset[str]().union(*(c.letters for c in decisive if c.affirmed))
        rejected = frozenset[str]().union(*(c.letters for c in decisive if not c.affirmed))
        letters = picked & {*self.letters} - rejected
        return next(iter(letters)) if len(picked) == len(letters) == 1 else None


def _claims(kinds: str, picks: list[frozenset[str]]) -> Iterator[_Claim]:
    """Claims of a text about its picks, clause by clause."""
    kinds, picks = _joined(kinds, picks)
    left = iter(picks)
    sentences = [m for m in _SENTENCE.finditer(kinds) if m[1]]
    for sentence in sentences:
        begins = sentence.start() == 0 or kinds[sentence.start() - 1] == "\n"
        placed, denied = begins or sentence is sentences[-1], False
        for clause in filter(None, _CLAUSE.findall(sentence[1])):
            placed |= clause[0] in "CR" or (clause[0] == "B" and denied)
            own = [next(left) for kind in clause if kind in "PM"]
            if sentence[2] != "?":
                yield from _claims_of_clause(clause, own, placed)
            denied = "X" in clause
            placed = not clause.strip("FXR") and _any(clause, "XR")  # "no, E"


def _joined(kinds: str, picks: list[frozenset[str]]) -> tuple[str, list[frozenset[str]]]:
    """The kinds and picks, where picks that stand together are one: "D. Content", "A or B"."""
    parts, joined = iter(picks), list[frozenset[str]]()

    def join(group: re.Match[str]) -> str:
        own = [next(parts) for kind in group[0] if kind in "PM"]
        joined.append(frozenset[str]().union(*own))
        return "P" if "P" in group[0] else "M"

    kinds = _PICKS.sub(join, kinds)
    kinds = _REJECTING.sub("", kinds)
    kinds = re.sub("(?<=[PM]):", ",", kinds)  # "D: it is calm"
    kinds = re.sub("(?<=[BCZ]),", "", kinds)  # "therefore, D"
    kinds = re.sub("(?<=[PM])X(?=[FDNtT]*[PM])", "K", kinds)  # "D, not A"
    return kinds.replace("x", "X"), joined


def _claims_of_clause(clause: str, picks: list[frozenset[str]], placed: bool) -> Iterator[_Claim]:
    """Claims of a clause: one about its first pick, and rejections of others.

    Args:
        clause: kinds of its words.
        picks: letters of each pick in it.
        placed: it stands where a pick alone is an answer.
    """
    before, *behind = re.split("[PM]", clause)
    if not picks or "S" in before:
        return
    concluded = 2 if "Z" in before else 1 if "C" in before else 0
    verdict = _verdict(before, behind[0], named=clause[len(before)] == "M", placed=placed)
    if verdict is not None:
        affirmed, weight = verdict
        yield _Claim(picks[0], affirmed, weight + concluded)
    for between, letters in zip(behind, picks[1:], strict=False):
        if _any(between, "XK"):
            yield _Claim(letters, False, concluded)


def _verdict(before: str, after: str, *, named: bool, placed: bool) -> tuple[bool, int] | None:
    """Whether the words around a pick affirm it, and their weight; None: neither yes nor no.

    Args:
        before: kinds of the words before the pick.
        after: kinds of those that follow it.
        named: the pick is a class's name, without a letter.
        placed: a pick alone is an answer here.
    """
    judged = after.lstrip("LFt")[:1]
    weight = _ANSWER if _any(before + judged, "NVY") else 0
    if "H" in before + judged:
        return None
    if _any(before, "XK") or judged == "X":
        return False, weight
    leads = not before.strip(_LEADING_UP)
    approved = leads and (judged == "Y" or (_any(judged, "NI") and after[0] == "L"))
    led = _any(before.rstrip(_FILLING)[-1:], "LV:") and (leads or "N" in before)
    ends = not after or (_any(after[0], "FNI") if named else after[0] != "L")
    if approved or (led and ends):
        return True, weight
    unknown_label = not named and before[-1:] == ":" and len(before) <= 4  # "Antwort: D"
    alone = unknown_label or not before.strip(_FILLING.replace("t", "" if named else "t") + "ZBC")
    return (True, 0) if placed and alone and not after.strip("FIt") else None


def _any(kinds: str, of: str) -> bool:
    """Whether one of the kinds is among those."""
    return not {*kinds}.isdisjoint(of)


COARSE_KEY = AnswerKey(tuple((letter, (text,)) for letter, text in COARSE_OPTIONS.items()))


def fine_key(classes: Iterable[EmotionClass]) -> AnswerKey:
    """The key of some classes: each is named by its letter, its option word or its class name."""
    return AnswerKey(tuple((c.option_letter, (c.option_text, c.name)) for c in classes))
