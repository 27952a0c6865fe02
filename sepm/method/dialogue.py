"""Asks and replies: a method's dialogue with the model about one image.

A method is a generator: it yields an `Ask`, is sent the `Reply`, and returns its `Outcome`. So
Algorithm 1 stands in the code as it stands in the paper, one image at a time, while
`sepm.inference.batching` runs many of them side by side in batches of equal length.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from sepm.method.answers import AnswerKey
from sepm.method.confidence import Branch
from sepm.method.prompts import Query, Span
from sepm.method.taxonomy import EmotionClass, Taxonomy


class ReducedPrefill(NamedTuple):
    """A prefill in which visual tokens were reduced between decoder layers."""

    prefill: Any
    visual_token_counts: tuple[int, ...]
    """Visual tokens before the first decoder layer and after each."""


class TokenReduction(Protocol):
    """A way to reduce visual tokens between decoder layers; hashable."""

    def prefill(self, model: Any, prompt: Any, image: Any) -> ReducedPrefill:
        """Prefill of one prompt on a model that offers layer-wise prefill."""
        ...


@dataclass(frozen=True)
class Sample:
    """One image as a method sees it."""

    question_id: str
    num_visual_tokens: int
    text: str | None = None
    """The question file's own coarse query, where it has one."""
    image: Any = None
    """The encoded image, for what chooses visual tokens by it alone."""


@dataclass(frozen=True)
class Ask:
    """One query about one image, to be prefilled."""

    query: Query
    options: tuple[str, ...]
    """Option letters shown; their probabilities are reported."""
    key: AnswerKey
    """All option letters that count as an answer, shown or, where they keep theirs, not."""
    dropped: tuple[int, ...] = ()
    """Indices of visual tokens to leave out, ascending."""
    hidden: tuple[int, ...] = ()
    """Indices of visual tokens that the query does not see, ascending; the image has run with them.
    Where tokens are hidden, none is left out and nothing is scored."""
    scored_by: Span | None = None
    """The query's tokens that score the visual tokens; None: none."""
    reduction: TokenReduction | None = None
    """How visual tokens are reduced between decoder layers; None: all layers see the same ones.
    Such an ask is prefilled by itself, and nothing else scores its tokens."""


@dataclass(frozen=True)
class Reply:
    """The model's answer to an `Ask`."""

    letter: str | None
    """The option letter read, or None where the answer cannot be read."""
    text: str
    """The letter, where a leading one decides; else the text decoded."""
    probs: dict[str, float]
    """Probability of each option letter shown, of the softmax over the whole vocabulary (Eq. 3)."""
    scores: tuple[float, ...] | None = None
    """One per visual token (Eq. 8), where asked for."""
    visual_token_counts: tuple[int, ...] | None = None
    """Visual tokens before the first decoder layer and after each, where they were reduced."""
    read: Literal["letter", "text", "mean"] | None = None
    """How the letter was read: a leading one decided, or the text was read, or the mean over the
    orders of the options decided; None: it was not."""


@dataclass(frozen=True)
class CoarseResult:
    """Result of the coarse stage."""

    query: Query
    reply: Reply
    confidence: float
    branch: Branch

    @property
    def off_menu(self) -> bool:
        """Whether the answer was neither A nor B."""
        return self.reply.letter is None


@dataclass(frozen=True)
class Outcome:
    """A method's whole decision about one image."""

    query: Query
    """The fine query, or the only one, or that of the first order of the options."""
    reply: Reply
    """The reply to it; where the options were rotated, what all orders' replies come to."""
    offered: tuple[str, ...]
    """Option letters that the query showed."""
    coarse: CoarseResult | None = None
    dropped: tuple[int, ...] = ()
    """Indices of the visual tokens that the fine query did without, ascending."""
    renumbered: tuple[EmotionClass, ...] | None = None
    """The classes shown, with their letters, where these are not those of the full list."""
    rotations: tuple[Reply, ...] = ()
    """The reply to each order of the options, where there are several."""

    def emotion(self, taxonomy: Taxonomy) -> str | None:
        """Name of the class that the reply's letter stands for; None where it has none."""
        return None if self.reply.letter is None else self._names(taxonomy)[self.reply.letter]

    def probs_by_class(self, taxonomy: Taxonomy) -> dict[str, float]:
        """Probability of each class that the query showed, by the class's name."""
        names = self._names(taxonomy)
        return {names[letter]: p for letter, p in self.reply.probs.items()}

    def _names(self, taxonomy: Taxonomy) -> dict[str, str]:
        """Name of the class behind each letter that counts as an answer."""
        return {c.option_letter: c.name for c in self.renumbered or taxonomy.classes}


Dialogue = Generator[Ask, Reply, Outcome]
