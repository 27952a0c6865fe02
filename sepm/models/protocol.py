"""The method's demands on a model: to encode images, and to prefill prompts over their tokens.

Inputs, encoded images, prompts and prefixes are the model's own; nobody else looks inside. LLaVA
and VILA (`llava`) are one implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

LAYERWISE = "layer-wise prefill"
"""Capability of a model that is a `LayerwiseModel`."""
PREFIX_SHARING = "shared prefixes"
"""Capability of a model that is a `PrefixSharingModel`."""
CLS_ATTENTION = "the CLS attention of its vision tower"
"""Capability of a model whose encoded images have `cls_attention`."""
FEATURES = "the features of its visual tokens"
"""Capability of a model whose encoded images have `features`."""


class ModelFacts(Protocol):
    """Facts about a model that are known before it is loaded."""

    @property
    def name(self) -> str:
        """Name, as results show it."""
        ...

    @property
    def description(self) -> str:
        """Its family, for messages."""
        ...

    @property
    def num_layers(self) -> int:
        """L, its number of decoder layers."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities beyond those of `VisionLanguageModel`."""
        ...


class EncodedImage(Protocol):
    """An image as the language model reads it."""

    @property
    def num_tokens(self) -> int:
        """N, its number of visual tokens."""
        ...

    @property
    def shape(self) -> Hashable:
        """Images of one shape can be prefilled together; they are equal in N."""
        ...

    @property
    def tiles(self) -> Sequence[Sequence[float]] | None:
        """Places of its visual tokens, where images differ in them; None: not known, or no need.

        Tiles in the tokens' order, each a grid: rows, columns, then left, top, right and bottom as
        shares of the image's width and height.
        """
        ...


class DescribedImage(EncodedImage, Protocol):
    """An encoded image that tells of its visual tokens what selectors without text read."""

    @property
    def features(self) -> Tensor:
        """float[N, D], as the language model reads them."""
        ...

    @property
    def cls_attention(self) -> Tensor | None:
        """float32[N], from the vision tower's class token, mean over heads; None: it has none."""
        ...


class Prompt(Protocol):
    """A tokenized prompt that asks one query about one image."""

    @property
    def num_text_tokens(self) -> int:
        """Number of its ids, the image left out."""
        ...

    @property
    def num_tokens_after_image(self) -> int:
        """Number of those that stand after the image."""
        ...

    def positions_of(self, start: int, end: int, skip: int = 0) -> tuple[int, ...]:
        """Positions of the tokens that cover characters [start, end) of the query.

        The first `skip` of them are left out.
        """
        ...


class Prefill(Protocol):
    """Results of one pass over B prompts."""

    @property
    def logits(self) -> Tensor:
        """float32[B, V], at the last position."""
        ...

    @property
    def attentions(self) -> Tensor | None:
        """float32[B, H, M, N], from the M rows asked for to the N visual tokens shown (Eq. 5)."""
        ...


class VisionLanguageModel(Protocol):
    """A multimodal LLM as the method sees it."""

    @property
    def device(self) -> Any:
        """Device that it computes on."""
        ...

    @property
    def max_positions(self) -> int:
        """Positions that a prompt, its image and the answer can have together."""
        ...

    @property
    def max_visual_tokens(self) -> int | None:
        """Number of visual tokens of every image; None: each has its own."""
        ...

    @property
    def visual_grid(self) -> dict[str, Any] | None:
        """Places of the visual tokens on any image; None: not known, or each image's own."""
        ...

    @property
    def prompt_format(self) -> dict[str, Any]:
        """Template of the prompts, and what the tokenizer makes of it."""
        ...

    def preprocess(self, image: Image.Image) -> Any:
        """Input made of an image; it can be sent from one process to another.

        Raises:
            UnreadableImageError: the model cannot take such an image.
        """
        ...

    def encode(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """`EncodedImage` of each input."""
        ...

    def tokenize(self, query: str) -> Any:
        """`Prompt` that asks a query about an image.

        Raises:
            ValueError: the tokenizer loses or changes part of it.
        """
        ...

    def render(self, query: str) -> str:
        """The prompt that asks a query, as text, with a placeholder for the image."""
        ...

    def option_id(self, option_letter: str) -> int:
        """Vocabulary id of an option letter where an answer begins.

        Raises:
            ValueError: the letter is not one token there.
        """
        ...

    def prefill(
        self,
        prompts: Sequence[Any],
        images: Sequence[Any],
        dropped: Sequence[Sequence[int]],
        rows: Sequence[int] = (),
    ) -> Any:
        """`Prefill` of B prompts, each over one encoded image without its dropped visual tokens.

        The model decides what positions the kept tokens have.

        Args:
            prompts: equal in length.
            images: B encoded images of one shape.
            dropped: for each image the indices of visual tokens to leave out, equally many.
            rows: M prompt positions whose attention over the shown visual tokens is wanted.
        """
        ...

    def second_tokens(self, prefill: Any, rows: Sequence[int]) -> list[str | None]:
        """Text that the second greedy token adds to the first, for some rows of a prefill.

        None where the answer ends after the first.
        """
        ...

    def decode(self, prefill: Any, rows: Sequence[int], max_new_tokens: int) -> list[str]:
        """Greedy answers of some rows of a prefill, as text without special tokens."""
        ...


@runtime_checkable
class PrefixSharingModel(VisionLanguageModel, Protocol):
    """A model that computes once what many prompts begin with.

    All prompts begin with the same text; those about one image go on with its visual tokens.
    """

    def text_prefix(self, prompt: Any) -> Any:
        """Prefix of all prompts: the text before the image."""
        ...

    def image_prefix(self, text_prefix: Any, images: Sequence[Any]) -> Any:
        """Prefixes of the prompts about each of B images of one shape: that text and the image."""
        ...

    def prefill(
        self,
        prompts: Sequence[Any],
        images: Sequence[Any],
        dropped: Sequence[Sequence[int]],
        rows: Sequence[int] = (),
        text_prefix: Any = None,
    ) -> Any:
        """`Prefill` as of any model; the text prefix, where given, is not run again."""
        ...

    def prefill_with_prefix(
        self,
        image_prefix: Any,
        indices: Sequence[int],
        prompts: Sequence[Sequence[Any]],
        rows: Sequence[Sequence[int]],
        hidden: Sequence[Sequence[Sequence[int]]] = (),
    ) -> Sequence[Any]:
        """K prefills in one pass, each of a prompt about each of B' of the prefix's images.

        Args:
            image_prefix: of B images.
            indices: B' of them, by their numbers.
            prompts: K times B' prompts, those of one k equal in length.
            rows: for each k the prompt positions whose attention over the image is wanted.
            hidden: K times B' indices of visual tokens that a prompt does not see, though the
                prefix has run with them; equally many for one k. Empty: all are seen.
        """
        ...


class LayerState(Protocol):
    """One image and the text after it, between two decoder layers."""

    @property
    def visual_tokens(self) -> Tensor:
        """float[N, D]."""
        ...

    @property
    def text_tokens(self) -> Tensor:
        """float[S, D], the text after the image."""
        ...

    def attention(self, rows: Sequence[int]) -> Tensor:
        """float32[H, M, N], from M of the S text tokens to the visual ones, in the layer before.

        Raises:
            ValueError: before the first layer, where there is none.
        """
        ...


@runtime_checkable
class LayerwiseModel(VisionLanguageModel, Protocol):
    """A model whose visual tokens can be reduced between decoder layers."""

    @property
    def num_layers(self) -> int:
        """L, its number of decoder layers."""
        ...

    def prefill_layerwise(
        self, prompt: Any, image: Any, reduce: Callable[[int, LayerState], Tensor | None]
    ) -> Any:
        """`Prefill` of one prompt, visual tokens reduced between layers.

        Args:
            image: encoded.
            reduce: gets -1 before the first layer, then each layer's number, and the state there.
                Returns the visual tokens float[N', D] that go on, or None: all of them.
        """
        ...
