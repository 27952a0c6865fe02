"""Any image-text-to-text model of transformers, asked through its own forward pass.

Two places are needed, and no family's name: where the outer model calls its language model, and the
attention of the one layer whose rows are read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.utils.generic import ModelOutput

from llava.answer_text import answer_text, second_token_text
from llava.prompt import Prompt
from sepm.errors import RunError
from sepm.models.auto.attention_rows import RowReader
from sepm.models.auto.decoder_inputs import Arguments, Positions, edited_arguments, without_dropped
from sepm.models.auto.decoding import AutoPrefill, cache_argument, decode
from sepm.models.auto.images import ImageInput, ImagePreprocessor
from sepm.models.auto.prompts import PROBE, AutoPrompts
from sepm.models.auto.tiles import Tiles


@dataclass(frozen=True)
class AutoImage:
    """An image's features, and the ids that stand for it."""

    features: ModelOutput
    """What the language model reads of the output of the model's `get_image_features`."""
    ids: Tensor
    """int64[L], on the CPU."""
    input: ImageInput
    """Without its pixels."""
    num_tokens: int
    """N, its number of visual tokens."""

    @property
    def shape(self) -> tuple[int, int]:
        """Images of one shape can be prefilled together: N, and the number of ids."""
        return self.num_tokens, len(self.ids)

    @property
    def tiles(self) -> Tiles | None:
        """Places of the visual tokens on the image; None where they are not known."""
        return self.input.tiles


class AutoVisionLanguageModel:
    """One checkpoint, ready for inference.

    Args:
        model: as `AutoModelForImageTextToText` loads it.
        attention_layer: decoder layer, from 0, whose attention is read.
        positions: of the tokens that stay where others are dropped.
        window: tokens that a layer of sliding attention sees, itself included; None: none slides.
    """

    max_visual_tokens = None
    visual_grid = None

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: AutoPrompts,
        preprocess: ImagePreprocessor,
        *,
        attention_layer: int,
        positions: Positions,
        end_ids: frozenset[int],
        max_positions: int,
        window: int | None,
    ) -> None:
        self.model, self.prompts, self.preprocess = model, prompts, preprocess
        self.render, self.tokenize = prompts.template.render, prompts.tokenize
        self.option_id = prompts.option_id
        self.attention_layer = attention_layer
        self.positions: Positions = positions
        self.end_ids, self.max_positions, self.window = end_ids, max_positions, window
        self._decoder: nn.Module = model.get_decoder()
        self._reader = RowReader(attention_of(self._decoder, attention_layer))

    @property
    def device(self) -> torch.device:
        """Device that the model computes on."""
        return self.model.device

    @property
    def prompt_format(self) -> dict[str, Any]:
        """What writes the prompts, and the beginning-of-text token."""
        return {"conversation": "chat template", "bos": self.prompts.bos_source}

    @torch.inference_mode()
    def encode(self, inputs: Sequence[ImageInput]) -> list[AutoImage]:
        """Encoded images, each by the vision tower alone: their pixels differ in shape."""
        return [self._encode(item) for item in inputs]

    def _encode(self, item: ImageInput) -> AutoImage:
        arrays, seen = dict(item.arrays), []
        pixels = self._placed(torch.from_numpy(arrays.pop("pixel_values")))
        ids = torch.from_numpy(item.ids)
        count = int((ids == self.preprocess.image_id).sum())
        image = AutoImage(ModelOutput(), ids, replace(item, arrays=arrays), count)
        prompts, images = [self.tokenize(PROBE)], [image]
        inputs = self._inputs(self._ids(prompts, images), prompts, images)
        with _features_recorded(self.model, seen):
            self.model(**inputs, pixel_values=pixels, use_cache=False)
        return replace(image, features=_lean(seen[0]))

    def _placed(self, values: Tensor) -> Tensor:
        """Values on the device, real ones in the model's precision."""
        dtype = self.model.dtype if values.is_floating_point() else None
        return values.to(self.device, dtype)

    @torch.inference_mode()
    def prefill(
        self,
        prompts: Sequence[Prompt],
        images: Sequence[AutoImage],
        dropped: Sequence[Sequence[int]],
        rows: Sequence[int] = (),
    ) -> AutoPrefill:
        """One pass over B prompts, as `VisionLanguageModel` has it.

        Raises:
            ValueError: lengths or shapes differ, or not equally many tokens are dropped.
            RunError: prompt and image are longer than the model allows.
        """
        ids = self._ids(prompts, images)
        kept, columns = (each.to(self.device) for each in self._kept(ids, dropped))
        gone, seen = len(dropped[0]), {}

        def cut(arguments: Arguments) -> Arguments:
            if gone:
                arguments = without_dropped(arguments, kept, self.positions, self.window)
            seen.update(arguments)
            return arguments

        at = prompts[0].image_position
        spread = len(images[0].ids) - gone - 1
        positions = [row + spread if row > at else row for row in rows]
        cache = DynamicCache(config=self.model.config.get_text_config())
        with (
            features_given(self.model, _joined([image.features for image in images])),
            edited_arguments(self._decoder, cut),
            self._reader.reading(torch.tensor(positions, dtype=torch.long, device=self.device)),
        ):
            output: Any = self.model(
                **self._inputs(ids, prompts, images),
                pixel_values=torch.zeros(1, device=self.device),
                use_cache=True,
                logits_to_keep=1,
                **{cache_argument(type(self.model)): cache},
            )
        next_position, parts = _next_positions(seen.get("position_ids"), kept)
        gaps = gone > 0 and self.positions == "kept" and parts is None
        # A decoder that makes its own masks counts the cache, here as in decoding.
        counts_gaps = gaps and isinstance(seen.get("attention_mask"), dict)
        return AutoPrefill(
            output.logits[:, -1].float(),
            self._reader.weights_of(columns) if positions else None,
            cache,
            kept.shape[1],
            next_position,
            parts,
            self.window if counts_gaps else None,
        )

    def _ids(self, prompts: Sequence[Prompt], images: Sequence[AutoImage]) -> Tensor:
        """Ids int64[B, S] of prompts with the images' in their place, on the CPU."""
        lengths = {(len(p.before_image), len(p.after_image)) for p in prompts}
        if len(lengths) > 1 or len({image.shape for image in images}) > 1:
            raise ValueError("prompts and images of one batch must have one length and shape")
        ids = torch.stack(
            [
                torch.tensor([*prompt.before_image, *image.ids.tolist(), *prompt.after_image])
                for prompt, image in zip(prompts, images, strict=True)
            ]
        )
        if ids.shape[1] > self.max_positions:
            raise RunError(
                f"a prompt with its image is {ids.shape[1]} tokens long, the model reads "
                f"{self.max_positions}; fewer pixels make fewer tokens (--processor)"
            )
        return ids

    def _inputs(
        self, ids: Tensor, prompts: Sequence[Prompt], images: Sequence[AutoImage]
    ) -> Arguments:
        """Arguments of the outer model but for the pixels, on its device."""
        inputs: Arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        first, at = images[0].input, prompts[0].image_position
        for name, types in first.token_types.items():
            around = torch.full_like(ids, types.after)
            around[:, :at] = types.before
            own = [torch.from_numpy(image.input.token_types[name].image) for image in images]
            around[:, at : at + len(own[0])] = torch.stack(own)
            inputs[name] = around
        for name in first.arrays:
            parts = [torch.from_numpy(image.input.arrays[name]) for image in images]
            inputs[name] = torch.cat(parts)
        return {name: self._placed(values) for name, values in inputs.items()}

    def _kept(self, ids: Tensor, dropped: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Positions kept of each row int64[B, S'], and those of its visual tokens among them."""
        if len({len(gone) for gone in dropped}) > 1:
            raise ValueError("equally many visual tokens must be dropped of each image of a batch")
        visual = ids == self.preprocess.image_id
        stays = torch.ones_like(visual)
        for row, gone in enumerate(dropped):
            stays[row, visual[row].nonzero()[list(gone), 0]] = False
        kept = stays.nonzero()[:, 1].view(len(ids), -1)
        shown = visual.gather(1, kept)
        return kept, shown.nonzero()[:, 1].view(len(ids), -1)

    def decode(self, prefill: AutoPrefill, rows: Sequence[int], max_new_tokens: int) -> list[str]:
        """Greedy answers of some rows of a prefill, as text without special tokens."""
        answers = decode(self.model, prefill, rows, max_new_tokens, self.end_ids)
        return [answer_text(self.prompts.tokenizer, ids).strip() for ids in answers]

    def second_tokens(self, prefill: AutoPrefill, rows: Sequence[int]) -> list[str | None]:
        """Text that the second greedy token adds to each answer's first; None: the answer ends."""
        answers = decode(self.model, prefill, rows, 2, self.end_ids)
        return [second_token_text(self.prompts.tokenizer, ids) for ids in answers]


def attention_of(decoder: Any, layer: int) -> nn.Module:
    """The attention module of a decoder layer.

    Raises:
        AttributeError: it has none.
    """
    layers = decoder.layers if hasattr(decoder, "layers") else decoder.model.layers
    return layers[layer].self_attn


def _next_positions(numbers: Tensor | None, kept: Tensor) -> tuple[Tensor, int | None]:
    """Position int64[B] after a prefill's last, and P numbers that a position has, None: one."""
    if numbers is None:
        return kept.new_full((len(kept),), kept.shape[1]), None
    if numbers.dim() == 3:
        return numbers.amax(dim=(0, 2)) + 1, numbers.shape[0]
    return (numbers.amax(dim=-1) + 1).expand(len(kept)), None


class _EncodedError(Exception):
    """Ends a pass as soon as the image is encoded."""


@contextmanager
def _features_recorded(model: PreTrainedModel, seen: list[Any]) -> Iterator[None]:
    """Within it, a pass ends where the image is encoded, whose features go into a list."""
    encode: Any = model.base_model.get_image_features

    def recorded(*args: Any, **kwargs: Any) -> Any:
        seen.append(encode(*args, **kwargs))
        raise _EncodedError

    with patch.object(model.base_model, "get_image_features", recorded), suppress(_EncodedError):
        yield


@contextmanager
def features_given(model: PreTrainedModel, features: Any) -> Iterator[None]:
    """Within it, the image's features are those given, whatever the pixels.

    Raises:
        RunError: the model did not ask for them: it would have answered without the image.
    """
    asked: list[bool] = []

    def given(*args: Any, **kwargs: Any) -> Any:
        asked.append(True)
        return features

    with patch.object(model.base_model, "get_image_features", given):
        yield
    if len(asked) != 1:
        raise RunError(f"the model asked {len(asked)} times for the image's features, not once")


def _lean(features: ModelOutput) -> ModelOutput:
    """Features without hidden states that the language model does not read."""
    unread = ("last_hidden_state", "hidden_states", "attentions")
    return type(features)(**{k: v for k, v in features.items() if k not in unread})


def _joined(features: Sequence[ModelOutput]) -> ModelOutput:
    """Features of several images as the model gives them for all at once."""
    if len(features) == 1:
        return features[0]
    columns = {name: [own[name] for own in features] for name in features[0]}
    return type(features[0])(
        **{
            name: _of_all(values) if name == "pooler_output" else _by_layer(values)
            for name, values in columns.items()
        }
    )


def _of_all(values: Sequence[Any]) -> Any:
    """One tensor, or one after another in a list, as the family has them."""
    if isinstance(values[0], Tensor):
        return torch.cat(list(values))
    return type(values[0])(part for own in values for part in own)


def _by_layer(values: Sequence[Any]) -> Any:
    """Features of several layers of the vision tower, such as Qwen3-VL's."""
    return type(values[0])(_of_all(layer) for layer in zip(*values, strict=True))
