"""LLaVA and VILA: images to visual tokens, prompts over visual tokens to logits and attention."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from llava import language
from llava.errors import CheckpointError
from llava.image import ImageProcessor
from llava.language import Prefill
from llava.layerwise import LayerState, layerwise_prefill
from llava.prefix import Prefix, prefill_with_prefix
from llava.projector import projector_dtype, token_order, tokens_in_line
from llava.prompt import Prompt, PromptTokenizer
from llava.vision import VisionTower


@dataclass(frozen=True)
class VisualTokens:
    """An encoded image."""

    features: Tensor
    """float[N, D], the projector's output."""

    @property
    def num_tokens(self) -> int:
        """N."""
        return len(self.features)


class Llava(nn.Module):
    """One LLaVA or VILA checkpoint, ready for inference. Submodules keep their names on disk.

    Args:
        language_model: LLaMA, running SDPA.
        mm_projector: vision features to visual tokens.
        vision_tower: pixels to vision features.
        prompts: tokenizer within a conversation template.
        image_processor: image to pixels.
        end_ids: ids that end an answer.
    """

    def __init__(
        self,
        language_model: LlamaForCausalLM,
        mm_projector: nn.Module,
        vision_tower: VisionTower,
        prompts: PromptTokenizer,
        image_processor: ImageProcessor,
        end_ids: frozenset[int],
    ) -> None:
        super().__init__()
        self.language_model = language_model
        self.mm_projector = mm_projector
        self.vision_tower = vision_tower
        self.prompts = prompts
        self.image_processor = image_processor
        self.end_ids = end_ids

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """`pixel_values` float32[3, height, width] of an image."""
        return self.image_processor(image).numpy()

    @torch.inference_mode()
    def encode(self, inputs: Sequence[np.ndarray]) -> list[VisualTokens]:
        """Visual tokens of B images' `pixel_values`, one forward pass for all."""
        pixel_values = torch.from_numpy(np.stack(inputs))
        on_cuda = self.device.type == "cuda"
        if on_cuda:
            pixel_values = pixel_values.pin_memory()
        features = self.vision_tower(pixel_values.to(self.device, non_blocking=on_cuda))
        projected = self.mm_projector(features.to(projector_dtype(self.mm_projector)))
        return [VisualTokens(of_image) for of_image in projected]

    def tokenize(self, query: str) -> Prompt:
        """The prompt that asks a query about an image.

        Raises:
            ValueError: the tokenizer loses or changes part of it, or is of another model: it gives
                an id that has no embedding.
        """
        prompt = self.prompts.tokenize(query)
        largest, known = max(prompt.input_ids), self.language_model.config.vocab_size
        if largest >= known:
            raise CheckpointError(
                f"the tokenizer gives id {largest}, the model has embeddings for {known} "
                "(vocab_size in its config.json); is the tokenizer its own?"
            )
        return prompt

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
        """One pass over B prompts, visual tokens in the image's place.

        Kept visual tokens, as the paper and the released code have it, are numbered without gaps.

        Args:
            prompts: B prompts of one length S and one image position.
            images: B images of one N.
            dropped: for each image the indices of visual tokens to leave out, equally many.
            rows: M positions in the prompt whose attention over the visual tokens is wanted, in
                the final layer.
            text_prefix: of these prompts; it is not run again. None: the prompts are run whole.

        Raises:
            ValueError: lengths or image positions differ; a row is the image's own, or of the
                text prefix; a prompt begins otherwise.
        """
        position = _image_position(prompts, rows)
        visual_tokens = _shown(images, dropped)
        count = visual_tokens.shape[1]
        if text_prefix is None:
            embeds = self._splice(prompts, visual_tokens)
            spliced = [row + count - 1 if row > position else row for row in rows]
            made = language.prefill(self.language_model, embeds, spliced)
        else:
            _require_after(text_prefix, prompts, rows)
            after = self.embed([p.input_ids[position + 1 :] for p in prompts])
            embeds = torch.cat([visual_tokens.to(after), after], dim=1)
            behind = [row - position + count - 1 for row in rows]
            made = language.prefill(self.language_model, embeds, behind, text_prefix.cache)
        return _over_image(made, position, count)

    @torch.inference_mode()
    def text_prefix(self, prompt: Prompt) -> Prefix:
        """A prompt's text before the image, with which every other prompt begins too."""
        before_image = prompt.input_ids[: prompt.image_position]
        embeds = self.embed([before_image])
        return Prefix(before_image, language.prefix_cache(self.language_model, embeds))

    @torch.inference_mode()
    def image_prefix(self, text_prefix: Prefix, images: Sequence[VisualTokens]) -> Prefix:
        """Beginning of all prompts about each of B images of one N: the text prefix, the image."""
        features = torch.stack([image.features for image in images])
        embeds = features.to(self.device, self.language_model.dtype)
        cache = language.prefix_cache(self.language_model, embeds, text_prefix.cache)
        return Prefix(text_prefix.before_image, cache)

    @torch.inference_mode()
    def prefill_with_prefix(
        self,
        image_prefix: Prefix,
        indices: Sequence[int],
        prompts: Sequence[Sequence[Prompt]],
        rows: Sequence[Sequence[int]],
    ) -> list[Prefill]:
        """One pass over K prompts about each of some images, the shared prefix not run again.

        Args:
            image_prefix: of B images.
            indices: B' of them, by their numbers.
            prompts: K times B' prompts, those of one k of one length.
            rows: for each k the positions in the prompts, after the image, whose attention over
                the visual tokens is wanted, in the final layer.

        Returns:
            K prefills of B' rows.

        Raises:
            ValueError: lengths differ; a prompt begins otherwise; a row is not after the image.
        """
        texts: list[Tensor] = []
        after: list[list[int]] = []
        for alike, of_text in zip(prompts, rows, strict=True):
            start = _image_position(alike, of_text) + 1
            _require_after(image_prefix, alike, of_text)
            texts.append(self.embed([p.input_ids[start:] for p in alike]))
            after.append([row - start for row in of_text])
        cache = image_prefix.cache_of(indices)
        made = prefill_with_prefix(self.language_model, cache, texts, after)
        position = len(image_prefix.before_image)
        return [_over_image(prefill, position, cache.length - position) for prefill in made]

    @torch.inference_mode()
    def prefill_layerwise(
        self,
        prompt: Prompt,
        image: VisualTokens,
        reduce: Callable[[int, LayerState], Tensor | None],
    ) -> Prefill:
        """One pass over a prompt whose visual tokens may be reduced after every layer.

        Args:
            prompt: the prompt.
            image: its image, whole.
            reduce: gets -1 before the first layer, then each layer's number, and the state there;
                gives the visual tokens float[N', D] that go on, or None: all of them.
        """
        embeds = self._splice([prompt], image.features[None])
        where = prompt.image_position, image.num_tokens
        return layerwise_prefill(self.language_model, embeds, where, reduce)

    def _splice(self, prompts: Sequence[Prompt], visual_tokens: Tensor) -> Tensor:
        """Embeddings float[B, T, D] of the prompts with the image's placeholder replaced."""
        position = prompts[0].image_position
        before = self.embed([p.input_ids[:position] for p in prompts])
        after = self.embed([p.input_ids[position + 1 :] for p in prompts])
        return torch.cat([before, visual_tokens.to(before), after], dim=1)

    @torch.inference_mode()
    def embed(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Embeddings float[B, S, D] of B texts of S ids."""
        return self.language_model.get_input_embeddings()(torch.tensor(texts, device=self.device))

    @torch.inference_mode()
    def decode(self, prefill: Prefill, rows: Sequence[int], max_new_tokens: int) -> list[str]:
        """Greedy answers of some rows of a prefill, as text without special tokens."""
        answers = language.decode(self.language_model, prefill, rows, max_new_tokens, self.end_ids)
        return [self._text(ids).strip() for ids in answers]

    @torch.inference_mode()
    def second_tokens(self, prefill: Prefill, rows: Sequence[int]) -> list[str | None]:
        """Text that the second greedy token adds to each answer's first; None: the answer ends."""
        answers = language.decode(self.language_model, prefill, rows, 2, self.end_ids)
        return [
            self._text(ids).removeprefix(self._text(ids[:1])) if len(ids) > 1 else None
            for ids in answers
        ]

    def _text(self, ids: Sequence[int]) -> str:
        """An answer's text without special tokens, its spaces as they are."""
        decode = self.prompts.tokenizer.decode
        return str(decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    @property
    def device(self) -> torch.device:
        """Where the language model computes."""
        return self.language_model.device

    @property
    def num_layers(self) -> int:
        """L, how many decoder layers the language model has."""
        return len(self.language_model.model.layers)

    @property
    def max_positions(self) -> int:
        """How many positions a prompt and its answer can have together.

        Linear scaling of the rotary embedding multiplies what the configuration says; the other
        kinds are counted in it.
        """
        config = self.language_model.config
        rope: dict[str, Any] = dict(config.rope_parameters or {})
        factor = rope["factor"] if rope["rope_type"] == "linear" else 1
        return int(config.max_position_embeddings * factor)

    @property
    def attention_layer(self) -> int:
        """Decoder layer, from 0, whose attention a prefill returns: the final one."""
        return self.num_layers - 1

    @property
    def max_visual_tokens(self) -> int:
        """N_v, the number of visual tokens of every image."""
        tower = self.vision_tower
        side = tokens_in_line(self.mm_projector, tower.patches_in_line)
        return side**2 + (not tower.only_patches)

    @property
    def prompt_format(self) -> dict[str, Any]:
        """How prompts are written: the template, and what its tokenizer makes of it.

        `bos` says what writes the beginning-of-text token (tokenizer, template, none), and
        `line_break_after_image` whether that line break of the template is fed.
        """
        return {
            "conversation": self.prompts.conversation.name,
            "bos": self.prompts.bos_source,
            "line_break_after_image": self.prompts.keeps_line_break,
        }

    @property
    def visual_grid(self) -> dict[str, Any] | None:
        """Where each visual token lies on an image; None where tokens are not all patches.

        `grid` is rows and columns of tokens, `input_size` and `patch_size` are in pixels.
        """
        tower = self.vision_tower
        if not tower.only_patches:
            return None
        side = tokens_in_line(self.mm_projector, tower.patches_in_line)
        return {
            "grid": [side, side],
            "order": token_order(self.mm_projector),
            "preprocessing": self.image_processor.fitting,
            "input_size": tower.image_size,
            "patch_size": tower.patch_size,
        }


def _shown(images: Sequence[VisualTokens], dropped: Sequence[Sequence[int]]) -> Tensor:
    """Visual tokens float[B, N', D] that are left of B images.

    Raises:
        ValueError: not equally many are.
    """
    shown = [
        image.features[_kept(gone, image.num_tokens)] if gone else image.features
        for image, gone in zip(images, dropped, strict=True)
    ]
    if len({len(features) for features in shown}) > 1:
        raise ValueError("the images of one batch must show equally many visual tokens")
    return torch.stack(shown)


def _kept(dropped: Sequence[int], num_tokens: int) -> list[int]:
    """Indices of the visual tokens that stay, ascending (Eq. 10)."""
    gone = set(dropped)
    return [index for index in range(num_tokens) if index not in gone]


def _over_image(prefill: Prefill, position: int, num_tokens: int) -> Prefill:
    """The prefill, its attention over the visual tokens alone: float32[B, H, M, N]."""
    if prefill.attentions is None:
        return prefill
    return replace(prefill, attentions=prefill.attentions[..., position : position + num_tokens])


def _image_position(prompts: Sequence[Prompt], attention_rows: Sequence[int]) -> int:
    """Where the image stands in a batch of prompts.

    Raises:
        ValueError: lengths or image positions differ; a row is the image's own.
    """
    position = prompts[0].image_position
    if len({(len(p), p.image_position) for p in prompts}) > 1:
        raise ValueError("the prompts of one batch must have one length and image position")
    if position in attention_rows:
        raise ValueError("attention rows are text positions, not the image's")
    return position


def _require_after(
    prefix: Prefix, prompts: Sequence[Prompt], attention_rows: Sequence[int]
) -> None:
    """Raise `ValueError` unless prompts begin as a prefix does, and the rows are after the image.

    Attention of a prompt's beginning is not computed then.
    """
    position = prompts[0].image_position
    if any(prompt.input_ids[:position] != prefix.before_image for prompt in prompts):
        raise ValueError("a prompt does not begin as the prefix does")
    if min(attention_rows, default=position + 1) <= position:
        raise ValueError("attention rows of a text after a prefix are that text's own")
