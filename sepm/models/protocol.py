"""What the method needs of a model: to encode images and to prefill prompts over visual tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


class Prompt(Protocol):
    """A tokenized prompt of S ids, one of which stands for the image."""

    @property
    def image_position(self) -> int:
        """Position of the image in the prompt."""
        ...

    def positions_of(self, start: int, end: int, skip: int = 0) -> tuple[int, ...]:
        """Positions of the tokens that cover characters [start, end) of the query, but the first.

        How many of the first are left out is `skip`.
        """
        ...

    def __len__(self) -> int: ...


class Prefill(Protocol):
    """What one prefill gives."""

    @property
    def logits(self) -> Tensor:
        """float32[B, V], at the last position."""
        ...

    @property
    def attentions(self) -> Tensor | None:
        """float32[B, H, M, T], final layer, of the rows asked for."""
        ...


class VisionLanguageModel(Protocol):
    """A multimodal LLM as the method sees it; another model family implements this."""

    def encode(self, pixel_values: Tensor) -> Tensor:
        """Visual tokens float[B, N, D] of preprocessed images float32[B, 3, height, width]."""
        ...

    def tokenize(self, query: str) -> Any:
        """The `Prompt` that asks a query about an image."""
        ...

    def option_id(self, option_letter: str) -> int:
        """Vocabulary id of an option letter where an answer begins."""
        ...

    def prefill(
        self, prompts: Sequence[Any], visual_tokens: Tensor, attention_rows: Sequence[int] = ()
    ) -> Any:
        """A `Prefill` of B prompts of one length over float[B, N, D]; rows are prompt positions."""
        ...

    def second_tokens(self, prefill: Any, rows: Sequence[int]) -> list[str | None]:
        """Text that the second greedy token adds to the first, for some rows of a prefill.

        None where the answer ends after the first.
        """
        ...

    def decode(self, prefill: Any, rows: Sequence[int], max_new_tokens: int) -> list[str]:
        """Greedy answers of some rows of a prefill, as text, special tokens left out."""
        ...


@runtime_checkable
class PrefixSharingModel(VisionLanguageModel, Protocol):
    """A model that can compute what many prompts begin with once for all of them.

    Every prompt opens with the same text, and those about one image go on with the same visual
    tokens. A model family may do without: then every prompt is a prefill of its own.
    """

    def opening(self, prompt: Any) -> Any:
        """The text before the image, with which all prompts open."""
        ...

    def prefill(
        self,
        prompts: Sequence[Any],
        visual_tokens: Tensor,
        attention_rows: Sequence[int] = (),
        opening: Any = None,
    ) -> Any:
        """As `VisionLanguageModel.prefill`, the opening not being run again where it is given."""
        ...

    def prefix(self, opening: Any, visual_tokens: Tensor) -> Any:
        """What prompts about each of B images begin with: the opening and float[B, N, D]."""
        ...

    def prefill_behind(
        self,
        prefix: Any,
        images: Sequence[int],
        prompts: Sequence[Sequence[Any]],
        attention_rows: Sequence[Sequence[int]],
    ) -> list[Any]:
        """K `Prefill`s of B' rows: prompts [K][B'] about B' of the prefix's images, in one pass."""
        ...


@dataclass(frozen=True)
class ReducedPrefill:
    """A prefill in which visual tokens were reduced between decoder layers."""

    prefill: Prefill
    visual_token_counts: tuple[int, ...]
    """L + 1 numbers: before the first layer, and after each."""


class TokenReduction(Protocol):
    """A way to prefill one prompt while reducing visual tokens between decoder layers; hashable.

    It may ask more of the model than `VisionLanguageModel` does.
    """

    def prefill(self, model: Any, prompt: Any, visual_tokens: Tensor) -> ReducedPrefill:
        """The prefill of a prompt over float[N, D]; `InputError` where the model does not suit."""
        ...
