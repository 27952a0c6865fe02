"""LLaVA and VILA: images to visual tokens, prompts over visual tokens to logits and attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from llava import language
from llava.answer_text import answer_text, second_token_text
from llava.errors import CheckpointError
from llava.image import ImageProcessor
from llava.language import Prefill, Reduce
from llava.prefix import Prefix, prefill_with_prefix
from llava.projector import DownsampleProjector
from llava.prompt import Prompt, PromptTokenizer
from llava.vision import VisionTower


@dataclass(frozen=True)
class VisualTokens:
    """An image as the language model reads it."""

    features: Tensor
    """float[N, D], in the projector's dtype."""
    cls_attention: Tensor | None = None
    """float32[N], of the vision tower's class token to each; None where it has none."""

    @property
    def num_tokens(self) -> int:
        """N, its number of visual tokens."""
        return len(self.features)

    @property
    def shape(self) -> int:
        """Images of one shape can be prefilled together."""
        return self.num_tokens

    @property
    def tiles(self) -> None:
        """No places of its own: they are the same on every image."""


class Llava(nn.Module):
    """One LLaVA or VILA checkpoint, ready for inference. Submodules keep their names on disk.

    Args:
        language_model: LLaMA, running SDPA.
        mm_projector: vision features to visual tokens.
        vision_tower: pixels to vision features.
        prompts: tokenizer within a conversation template.
        preprocess: image to pixels.
        end_ids: ids that end an answer.
    """

    def __init__(
        self,
        language_model: LlamaForCausalLM,
        mm_projector: nn.Module,
        vision_tower: VisionTower,
        prompts: PromptTokenizer,
        preprocess: ImageProcessor,
        end_ids: frozenset[int],
    ) -> None:
        super().__init__()
        self.language_model = language_model
        self.mm_projector = mm_projector
        self.vision_tower = vision_tower
        self.prompts = prompts
        self.preprocess = preprocess
        self.end_ids = end_ids

    @torch.inference_mode()
    def encode(self, inputs: Sequence[np.ndarray]) -> list[VisualTokens]:
        """Visual tokens of B preprocessed images, float32[3, height, width] each."""
        pixel_values = torch.stack([torch.as_tensor(pixels) for pixels in inputs])
        on_cuda = self.device.type == "cuda"
        if on_cuda:
            pixel_values = pixel_values.pin_memory()  # the copy then does not wait for the device
        pixel_values = pixel_values.to(self.device, non_blocking=on_cuda)
        features, cls_attention = self.vision_tower.encode(pixel_values)
        tokens = self.mm_projector(features.to(next(self.mm_projector.parameters()).dtype))
        if cls_attention is None or cls_attention.shape[1] != tokens.shape[1]:
            return [VisualTokens(image) for image in tokens]
        return [VisualTokens(*image) for image in zip(tokens, cls_attention, strict=True)]

    def tokenize(self, query: str) -> Prompt:
        """The prompt that asks a query about an image.

        Raises:
            ValueError: the tokenizer loses or changes part of it, or gives an unknown id.
        """
        prompt = self.prompts.tokenize(query)
        largest, known = max(prompt.input_ids), self.language_model.config.vocab_size
        if largest >= known:
            raise CheckpointError(
                f"the tokenizer gives id {largest}, the model has embeddings for {known} "
                "(vocab_size in its config.json); is the tokenizer its own?"
            )
        return prompt

    def render(self, query: str) -> str:
        """The prompt of a query as text, with a placeholder for the image."""
        return self.prompts.conversation.render(query)

    def option_id(self, option_letter: str) -> int:
        """Vocabulary id of an option letter where an answer begins."""
        return self.prompts.option_id(option_letter)

    @torch.inference_mode()
    def prefill(
        self,
        prompts: Sequence[Prompt],
        images: Sequence[VisualTokens],
        dropped: Sequence[Sequence[int]],
        rows: Sequence[int] = (),
        text_prefix: Prefix | None = None,
    ) -> Prefill:
        """One pass over B prompts; kept visual tokens are numbered without gaps, in their order.

        Raises:
            ValueError: lengths, image positions or numbers of visual tokens differ; a row is the
                image's own, or of the prefix; a prompt begins otherwise than the prefix.
        """
        position = _image_position(prompts, rows)
        visual_tokens = _shown(images, dropped)  # [B, N, D]
        count = visual_tokens.shape[1]
        spliced = [row + count - 1 if row > position else row for row in rows]
        span = slice(position, position + count)
        if text_prefix is None:
            embeds = self.splice(prompts, visual_tokens)
            return language.prefill(self.language_model, embeds, spliced, span)
        _require_prefix(text_prefix, prompts, rows)
        after = self.embed([p.after_image for p in prompts])
        embeds = torch.cat([visual_tokens.to(after), after], dim=1)
        own_rows = [row - position for row in spliced]
        return language.prefill(self.language_model, embeds, own_rows, span, text_prefix.cache)

    @torch.inference_mode()
    def text_prefix(self, prompt: Prompt) -> Prefix:
        """Prefix of all prompts: the text before the image."""
        embeds = self.embed([prompt.before_image])
        return Prefix(prompt.before_image, language.prefix_cache(self.language_model, embeds))

    @torch.inference_mode()
    def image_prefix(self, text_prefix: Prefix, images: Sequence[VisualTokens]) -> Prefix:
        """Prefixes of the prompts about each of B images of one N: that text and the image."""
        visual_tokens = torch.stack([image.features for image in images])
        embeds = visual_tokens.to(self.device, self.language_model.dtype)
        cache = language.prefix_cache(self.language_model, embeds, text_prefix.cache)
        return Prefix(text_prefix.before_image, cache)

    @torch.inference_mode()
    def prefill_with_prefix(
        self,
        image_prefix: Prefix,
        indices: Sequence[int],
        prompts: Sequence[Sequence[Prompt]],
        rows: Sequence[Sequence[int]],
        hidden: Sequence[Sequence[Sequence[int]]] = (),
    ) -> list[Prefill]:
        """K prefills in one pass, each of a prompt about each of B' of the prefix's images.

        A prompt does not see the visual tokens that are hidden from it, though the prefix has run
        with them; the others keep their positions.

        Raises:
            ValueError: lengths differ; a prompt begins otherwise; a row is not after the image;
                not equally many tokens are hidden from the prompts of one k.
        """
        texts: list[Tensor] = []
        own_rows: list[list[int]] = []
        for alike, wanted in zip(prompts, rows, strict=True):
            after_image = _image_position(alike, wanted) + 1
            _require_prefix(image_prefix, alike, wanted)
            texts.append(self.embed([p.after_image for p in alike]))
            own_rows.append([row - after_image for row in wanted])
        start, cache = len(image_prefix.before_image), image_prefix.cache.select_rows(indices)
        span = slice(start, cache.length)
        unseen = [_positions_of_hidden(tokens, start) for tokens in hidden]
        return prefill_with_prefix(self.language_model, cache, texts, own_rows, span, unseen)

    @torch.inference_mode()
    def prefill_layerwise(self, prompt: Prompt, image: VisualTokens, reduce: Reduce) -> Prefill:
        """`Prefill` of one prompt, visual tokens reduced between layers; without attentions."""
        embeds = self.splice([prompt], image.features[None])
        span = slice(prompt.image_position, prompt.image_position + image.num_tokens)
        return language.prefill_layerwise(self.language_model, embeds, span, reduce)

    @torch.inference_mode()
    def splice(self, prompts: Sequence[Prompt], visual_tokens: Tensor) -> Tensor:
        """Embeddings float[B, T, D] of B prompts with float[B, N, D] in the image's place."""
        before = self.embed([p.before_image for p in prompts])
        after = self.embed([p.after_image for p in prompts])
        return torch.cat([before, visual_tokens.to(before), after], dim=1)

    @torch.inference_mode()
    def embed(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Embeddings float[B, S, D] of B texts of S ids."""
        return self.language_model.get_input_embeddings()(torch.tensor(texts, device=self.device))

    @torch.inference_mode()
    def decode(self, prefill: Prefill, rows: Sequence[int], max_new_tokens: int) -> list[str]:
        """Greedy answers of some rows of a prefill, as text without special tokens."""
        answers = language.decode(self.language_model, prefill, rows, max_new_tokens, self.end_ids)
        return [answer_text(self.prompts.tokenizer, ids).strip() for ids in answers]

    @torch.inference_mode()
    def second_tokens(self, prefill: Prefill, rows: Sequence[int]) -> list[str | None]:
        """Text that the second greedy token adds to each answer's first; None: the answer ends."""
        answers = language.decode(self.language_model, prefill, rows, 2, self.end_ids)
        return [second_token_text(self.prompts.tokenizer, ids) for ids in answers]

    @property
    def device(self) -> torch.device:
        """Device that the language model computes on."""
        return self.language_model.device

    @property
    def num_layers(self) -> int:
        """L, its number of decoder layers."""
        return len(self.language_model.model.layers)

    @property
    def max_positions(self) -> int:
        """Positions that a prompt, its image and the answer can have together.

        Linear scaling of the rotary embedding multiplies what the configuration says; the other
        kinds are counted in it.
        """
        config = self.language_model.config
        rope: dict[str, Any] = dict(config.rope_parameters or {})
        factor = rope["factor"] if rope["rope_type"] == "linear" else 1
        return int(config.max_position_embeddings * factor)

    @property
    def max_visual_tokens(self) -> int:
        """Number of visual tokens of every image."""
        return self._tokens_in_line**2 + (not self.vision_tower.only_patches)

    @property
    def _tokens_in_line(self) -> int:
        """Number of visual tokens along each side of an image."""
        tower = self.vision_tower
        patches = tower.image_size // tower.patch_size
        return -(-patches // 2) if isinstance(self.mm_projector, DownsampleProjector) else patches

    @property
    def prompt_format(self) -> dict[str, Any]:
        """The template, what writes BOS, and whether the line break after the image is fed."""
        return {
            "conversation": self.prompts.conversation.name,
            "bos": self.prompts.bos_source,
            "line_break_after_image": self.prompts.keeps_line_break,
        }

    @property
    def visual_grid(self) -> dict[str, Any] | None:
        """Places of the visual tokens on an image; None where tokens are not all patches.

        `grid` is rows and columns of tokens; `order` tells whether token 1 is right of token 0
        (row-major) or below it; `input_size` and `patch_size` are in pixels.
        """
        tower = self.vision_tower
        if not tower.only_patches:
            return None
        by_columns = isinstance(self.mm_projector, DownsampleProjector)
        return {
            "grid": [self._tokens_in_line] * 2,
            "order": "column-major" if by_columns else "row-major",
            "preprocessing": self.preprocess.fitting,
            "input_size": tower.image_size,
            "patch_size": tower.patch_size,
        }


def _image_position(prompts: Sequence[Prompt], rows: Sequence[int]) -> int:
    """Position of the image in a batch of prompts, which must be alike; no row may be its own."""
    position = prompts[0].image_position
    if len({(len(p), p.image_position) for p in prompts}) > 1:
        raise ValueError("the prompts of one batch must have one length and image position")
    if position in rows:
        raise ValueError("attention rows are text positions, not the image's")
    return position


def _shown(images: Sequence[VisualTokens], dropped: Sequence[Sequence[int]]) -> Tensor:
    """Visual tokens float[B, N', D] that stay of each image, in their order (Eq. 10).

    Raises:
        ValueError: not equally many stay.
    """
    shown = []
    for image, gone in zip(images, map(set, dropped), strict=True):
        kept = [index for index in range(image.num_tokens) if index not in gone]
        shown.append(image.features[kept] if gone else image.features)
    if len(counts := {len(tokens) for tokens in shown}) > 1:
        raise ValueError(
            f"the images of one batch must show equally many visual tokens, got {sorted(counts)}"
        )
    return torch.stack(shown)


def _positions_of_hidden(hidden: Sequence[Sequence[int]], start: int) -> list[list[int]]:
    """Positions in the prompt of each image's hidden visual tokens, behind `start` text tokens.

    Raises:
        ValueError: not equally many.
    """
    if len(counts := {len(set(tokens)) for tokens in hidden}) > 1:
        raise ValueError(
            f"the images of one batch must hide equally many visual tokens, got {sorted(counts)}"
        )
    return [[start + token for token in tokens] for tokens in hidden]


def _require_prefix(prefix: Prefix, prompts: Sequence[Prompt], rows: Sequence[int]) -> None:
    """Raise `ValueError` unless prompts begin with a prefix, and the rows are after the image.

    Attention of the prefix's own positions is not computed.
    """
    position = prompts[0].image_position
    if any(prompt.before_image != prefix.before_image for prompt in prompts):
        raise ValueError("a prompt does not begin as the prefix does")
    if min(rows, default=position + 1) <= position:
        raise ValueError("attention rows of a text after a prefix are that text's own")
