"""LLaVA and VILA: images to visual tokens, prompts over visual tokens to logits and attention."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from llava import language
from llava.errors import CheckpointError
from llava.image import ImageProcessor
from llava.language import Prefill
from llava.layerwise import AfterLayer, layerwise_prefill
from llava.prefix import Prefix, prefill_behind
from llava.projector import projector_dtype, token_order, tokens_in_line
from llava.prompt import Prompt, PromptTokenizer
from llava.vision import VisionTower


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
    def encode(self, pixel_values: Tensor) -> Tensor:
        """Visual tokens float[B, N, D] of float32[B, 3, height, width]."""
        features = self.vision_tower(pixel_values.to(self.device))
        return self.mm_projector(features.to(projector_dtype(self.mm_projector)))

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
        visual_tokens: Tensor,
        attention_rows: Sequence[int] = (),
        opening: Prefix | None = None,
    ) -> Prefill:
        """One pass over B prompts, visual tokens in the image's place.

        Args:
            prompts: B prompts of one length S and one image position.
            visual_tokens: float[B, N, D]; N may be smaller than an image's: positions are then
                numbered without gaps.
            attention_rows: M positions in the prompt whose attention over the spliced sequence
                (T = S - 1 + N) is wanted, in the final layer.
            opening: of these prompts; it is not run again. None: the prompts are run whole.

        Raises:
            ValueError: lengths or image positions differ; a row is the image's own, or of the
                opening; a prompt opens otherwise.
        """
        position = _image_position(prompts, attention_rows)
        shift = visual_tokens.shape[1] - 1
        rows = [row + shift if row > position else row for row in attention_rows]
        if opening is None:
            return language.prefill(self.language_model, self.splice(prompts, visual_tokens), rows)
        _require_behind(opening, prompts, attention_rows)
        after = self.embed([p.input_ids[position + 1 :] for p in prompts])
        embeds = torch.cat([visual_tokens.to(after), after], dim=1)
        behind = [row - position for row in rows]
        return language.prefill(self.language_model, embeds, behind, opening.cache)

    @torch.inference_mode()
    def opening(self, prompt: Prompt) -> Prefix:
        """A prompt's text before the image, with which every other prompt opens too."""
        before_image = prompt.input_ids[: prompt.image_position]
        embeds = self.embed([before_image])
        return Prefix(before_image, language.prefix_cache(self.language_model, embeds))

    @torch.inference_mode()
    def prefix(self, opening: Prefix, visual_tokens: Tensor) -> Prefix:
        """What all prompts about each of B images begin with: the opening and float[B, N, D]."""
        embeds = visual_tokens.to(self.device, self.language_model.dtype)
        cache = language.prefix_cache(self.language_model, embeds, opening.cache)
        return Prefix(opening.before_image, cache)

    @torch.inference_mode()
    def prefill_behind(
        self,
        prefix: Prefix,
        images: Sequence[int],
        prompts: Sequence[Sequence[Prompt]],
        attention_rows: Sequence[Sequence[int]],
    ) -> list[Prefill]:
        """One pass over K prompts about each of some images, what they share not run again.

        Args:
            prefix: of B images.
            images: B' indices of them.
            prompts: K times B' prompts, those of one k of one length.
            attention_rows: for each k the positions in the prompts, behind the image, whose
                attention over the spliced sequence is wanted, in the final layer.

        Returns:
            K prefills of B' rows.

        Raises:
            ValueError: lengths differ; a prompt begins otherwise; a row is not behind the image.
        """
        texts: list[Tensor] = []
        behind: list[list[int]] = []
        for alike, rows in zip(prompts, attention_rows, strict=True):
            start = _image_position(alike, rows) + 1
            _require_behind(prefix, alike, rows)
            texts.append(self.embed([p.input_ids[start:] for p in alike]))
            behind.append([row - start for row in rows])
        return prefill_behind(self.language_model, prefix.cache_of(images), texts, behind)

    @torch.inference_mode()
    def prefill_layerwise(self, inputs_embeds: Tensor, after_layer: AfterLayer) -> Prefill:
        """One pass over spliced prompts float[B, T, D] that may be shortened after every layer."""
        return layerwise_prefill(self.language_model, inputs_embeds, after_layer)

    @torch.inference_mode()
    def splice(self, prompts: Sequence[Prompt], visual_tokens: Tensor) -> Tensor:
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
    def num_visual_tokens(self) -> int:
        """N_v, how many visual tokens an image becomes."""
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
            "preprocessing": self.preprocess.fitting,
            "input_size": tower.image_size,
            "patch_size": tower.patch_size,
        }


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


def _require_behind(
    prefix: Prefix, prompts: Sequence[Prompt], attention_rows: Sequence[int]
) -> None:
    """Raise `ValueError` unless prompts begin as a prefix does, and the rows are behind the image.

    So that what is asked of a prompt's beginning is not looked for where it is not computed.
    """
    position = prompts[0].image_position
    if any(prompt.input_ids[:position] != prefix.before_image for prompt in prompts):
        raise ValueError("a prompt does not begin as the prefix does")
    if min(attention_rows, default=position + 1) <= position:
        raise ValueError("attention rows of a text behind a prefix are that text's own")
