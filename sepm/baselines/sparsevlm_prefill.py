"""SparseVLM's prefill of one prompt: its decisions, applied between decoder layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from sepm.baselines.sparsevlm import num_kept, reduced, text_raters
from sepm.baselines.sparsevlm_settings import SparseVLMSettings
from sepm.models.protocol import Prefill, Prompt, ReducedPrefill

AttentionOf = Callable[[Sequence[int]], Tensor]
"""A layer's attention, float32[1, H, M, T], of M positions over the sequence."""


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
        after_layer: Callable[[int, Tensor, AttentionOf], Tensor],
    ) -> Prefill:
        """A `Prefill` in which every layer's output may be shortened.

        `after_layer` gets the layer's number, its output float[B, T, D] and its attention; it
        returns the next layer's input.
        """
        ...


@dataclass(frozen=True)
class SparsePrefill:
    """Prefills one prompt at a time, visual tokens thinned out and merged after some layers."""

    settings: SparseVLMSettings

    def prefill(
        self, model: LayerwiseModel, prompt: Prompt, visual_tokens: Tensor
    ) -> ReducedPrefill:
        """The prefill, and how many visual tokens each layer ran on and left.

        Raters are chosen once, before the first layer; they rate by the attention of the very layer
        after which visual tokens are reduced.

        Args:
            model: the model.
            prompt: the prompt.
            visual_tokens: float[N, D].

        Raises:
            InputError: the model has too few decoder layers.
        """
        self.settings.require_depth(model.num_layers)
        embeds = model.splice([prompt], visual_tokens[None])  # [1, T, D]
        start, counts = prompt.image_position, [len(visual_tokens)]
        text_start = start + counts[0]
        text_length = embeds.shape[1] - text_start
        raters = text_raters(embeds[0, start:text_start], embeds[0, text_start:])

        def after_layer(layer: int, hidden_states: Tensor, attention_of: AttentionOf) -> Tensor:
            if layer in self.settings.layers:
                end = hidden_states.shape[1] - text_length
                hidden_states = self._reduce(
                    layer, hidden_states, attention_of, (start, end), raters
                )
            counts.append(hidden_states.shape[1] - text_length - start)
            return hidden_states

        return ReducedPrefill(model.prefill_layerwise(embeds, after_layer), tuple(counts))

    def _reduce(
        self,
        layer: int,
        hidden_states: Tensor,
        attention_of: AttentionOf,
        image: tuple[int, int],
        raters: Tensor,
    ) -> Tensor:
        """A layer's output float[1, T, D] with its visual tokens, [start, end), reduced."""
        start, end = image
        attention = attention_of((raters + end).tolist())[0, :, :, start:end]
        rater_attention = attention.mean(dim=0)  # [H, M, N] -> [M, N]
        kept = num_kept(self.settings, layer, rater_attention)
        if kept is None:
            return hidden_states
        visual_tokens = reduced(hidden_states[0, start:end], rater_attention, kept)
        return torch.cat(
            [hidden_states[:, :start], visual_tokens[None], hidden_states[:, end:]], dim=1
        )
