"""The queries of both stages, word for word (section 3.2, Fig. 2, and the released code)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sepm.method.confidence import POLARITY_OF_LETTER
from sepm.method.taxonomy import EmotionClass, Taxonomy

FoeTokens = Literal["phrase", "phrase-and-stop", "all-but-first-token"]

COARSE_QUESTION = "Which of the following descriptions best represents the image?"
COARSE_OPTIONS = {letter: name.capitalize() for letter, name in POLARITY_OF_LETTER.items()}
COARSE_ANSWER = "Answer directly with the letter of the chosen option."
FOE_PHRASE = "Please focus on emotion."
PREDOMINANT_PHRASE = "Identify the predominant emotion conveyed."
AMBIGUOUS_SENTENCE = "This is an ambiguous emotion."
CHAIN_OF_THOUGHT = (
    "Let's think step by step, "
    "then answer with the option's letter from the given choices directly."
)


@dataclass(frozen=True)
class Query:
    """Query about an image: an optional Focus-on-Emotion phrase, then the body.

    The two are kept apart so that the place of the phrase is known, never searched for.
    """

    body: str
    phrase: str | None = None

    @property
    def text(self) -> str:
        """The whole query; the phrase, where there is one, on a line before it.

        Section 3.3 prints both on one line; the released code, the only running evidence, breaks
        the line.
        """
        return f"{self.phrase}\n{self.body}" if self.phrase else self.body


class Span(NamedTuple):
    """The tokens of a query's text that cover characters [start, end), the first `skip` left out.

    The skipped are tokens, not characters: only the tokenizer knows where the first one ends.
    """

    start: int
    end: int
    skip: int = 0


def foe_span(query: Query, foe_tokens: FoeTokens) -> Span:
    """The tokens that form the FoE rows (Eq. 6).

    The paper takes the phrase's tokens, with or without its full stop: it does not say. Here the
    stop is left out unless asked for, as the released code tokenizes the phrase without it. The
    released code also loses the first token: "Please", or "Ident" of "Identify".

    Raises:
        ValueError: the query has no phrase.
    """
    if not query.phrase:
        raise ValueError("the query has no Focus-on-Emotion phrase, so no FoE tokens")
    stop = query.phrase.rstrip() if foe_tokens == "phrase-and-stop" else query.phrase.rstrip(". ")
    return Span(0, len(stop), skip=int(foe_tokens == "all-but-first-token"))


def coarse_body(taxonomy: Taxonomy) -> str:
    """The coarse-grained query of section 3.2, from the taxonomy."""
    positive, negative = (
        ", ".join(c.name.lower() for c in taxonomy.of_polarity(p)) for p in ("positive", "negative")
    )
    return "\n".join(
        [
            COARSE_QUESTION,
            *(f"{letter}. {text}" for letter, text in COARSE_OPTIONS.items()),
            f"Positive emotions include {positive}. Negative emotions include {negative}.",
            COARSE_ANSWER,
        ]
    )


def fine_body(
    classes: Iterable[EmotionClass], question: str, answer: str, *, ambiguous: bool = False
) -> str:
    """A query for the emotion class with the given options, one a line.

    Args:
        classes: the classes offered, each with its letter.
        question: the line before the options.
        answer: the line after the options.
        ambiguous: put `AMBIGUOUS_SENTENCE` on a line of its own before the question.
    """
    return "\n".join(
        [
            *([AMBIGUOUS_SENTENCE] if ambiguous else []),
            question,
            *(f"{c.option_letter}. {c.option_text}" for c in classes),
            answer,
        ]
    )


def without_phrase(text: str, phrase: str) -> tuple[str, bool]:
    """A question file's text without a phrase in front, and whether it was this one.

    The phrases that the authors used are known too, so that no prompt gets two.
    """
    stripped = text.strip()
    for known in (phrase, FOE_PHRASE, PREDOMINANT_PHRASE):
        if stripped.startswith(known):
            return stripped.removeprefix(known).lstrip(), known == phrase
    return stripped, False
