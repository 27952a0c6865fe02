"""SparseVLM's prefill of one prompt: its decisions, applied between decoder layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from sepm.baselines.sparsevlm import num_kept, reduced, text_raters
from sepm.baselines.sparsevlm_settings import SparseVLMSettings
from sepm.method.model import Prefill, Prompt, ReducedPrefill


class LayerwiseModel(Protocol):
    """What SparseVLM needs of a model beyond the method's two things."""

    @property
    def num_layers(self) -> int:
        """How many decoder layers it has."""
        ...

    def splice(self, prompts: Sequence[Any], visual_tokens: Tensor) -> Tensor:
        """Embeddings float[B, T, D] of B prompts with float[B, N, D] in the image's place."""
        ...

    def prefill_layerwise(
        self,
        inputs_embeds: Tensor,
        after_layer: Callable[[int, Tensor, Callable[[Sequence[int]], Tensor]], Tensor],
    ) -> Prefill:
        """A `Prefill` in which every layer's output may be shortened.

        `after_layer` gets the layer's number, its output float[B, T, D] and a function that gives
        its attention float32[B, H, M, T] of M positions; it returns the next layer's input.
        """
        ...


@dataclass(frozen=True)
class SparsePrefill:
    """Prefills one prompt at a time, visual tokens thinned out and merged after some layers."""

    settings: SparseVLMSettings

    def check(self, model: LayerwiseModel) -> None:
        """Raise `InputError` where the model has too few decoder layers."""
        self.settings.require_depth(model.num_layers)

    def prefill(self, model: LayerwiseModel, prompt: Prompt, visual_tokens: Tensor) -> ReducedPrefill:
        """The prefill, and how many visual tokens each layer ran on and left.

        Raters are chosen once, before the first layer; they rate by the attention of the very layer
        after which visual tokens are reduced.

        Args:
            model: the model.
            prompt: the prompt.
            visual_tokens: float[N, D].
        """
        start = prompt.image_position
        embeds = model.splice([prompt], visual_tokens[None])  # [1, T, D]
        image_end = start + len(visual_tokens)
        raters = text_raters(embeds[0, start:image_end], embeds[0, image_end:])
        counts = [len(visual_tokens)]

        def after_layer(
            layer: int, hidden_states: Tensor, attention_of: Callable[[Sequence[int]], Tensor]
        ) -> Tensor:
            if layer in self.settings.layers:
                hidden_states = self._reduce(
                    layer, hidden_states, attention_of, start, start + counts[-1], raters
                )
            counts.append(counts[0] + hidden_states.shape[1] - embeds.shape[1])
            return hidden_states

        return ReducedPrefill(model.prefill_layerwise(embeds, after_layer), tuple(counts))

    def _reduce(
        self,
        layer: int,
        hidden_states: Tensor,
        attention_of: Callable[[Sequence[int]], Tensor],
        start: int,
        end: int,
        raters: Tensor,
    ) -> Tensor:
        """A layer's output float[1, T, D] with the visual tokens at start..end - 1 reduced."""
        attention = attention_of((raters + end).tolist())[0, :, :, start:end]
        rater_attention = attention.mean(dim=0)  # [H, M, N] -> [M, N]
        kept = num_kept(self.settings, layer, rater_attention)
        if kept is None:
            return hidden_states
        visual_tokens = reduced(hidden_states[0, start:end], rater_attention, kept)
        return torch.cat(
            [hidden_states[:, :start], visual_tokens[None], hidden_states[:, end:]], dim=1
        )
