"""A prefill in which the caller may reduce visual tokens after every decoder layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from llava.decoder_layer import LayerPass, causal
from llava.kv_cache import KVCache, LayerCache
from llava.language import Prefill, next_token_logits, require_plain


@dataclass(frozen=True)
class LayerState:
    """One spliced sequence between two decoder layers."""

    hidden_states: Tensor
    """float[1, T, D]."""
    start: int
    """Position of the first visual token."""
    end: int
    """Position after the last one."""
    layer_pass: LayerPass | None = None
    """Of the layer before; None before the first."""

    @property
    def visual_tokens(self) -> Tensor:
        """float[N, D]."""
        return self.hidden_states[0, self.start : self.end]

    @property
    def text_tokens(self) -> Tensor:
        """float[S, D], the text after the image."""
        return self.hidden_states[0, self.end :]

    def attention(self, rows: Sequence[int]) -> Tensor:
        """float32[H, M, N], from M text tokens (by their number) to the visual ones.

        Raises:
            ValueError: before the first layer, where there is none.
        """
        if self.layer_pass is None:
            raise ValueError("before the first layer there is no attention")
        positions = [self.end + row for row in rows]
        visible = causal(positions, self.hidden_states.shape[1], self.hidden_states.device)
        return self.layer_pass.attentions(positions, visible)[0, :, :, self.start : self.end]

    def with_visual_tokens(self, visual_tokens: Tensor) -> Tensor:
        """The sequence float[1, T', D] with other visual tokens float[N', D]."""
        before, after = self.hidden_states[:, : self.start], self.hidden_states[:, self.end :]
        return torch.cat([before, visual_tokens[None], after], dim=1)


def layerwise_prefill(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    image: tuple[int, int],
    reduce: Callable[[int, LayerState], Tensor | None],
) -> Prefill:
    """One pass over a prompt, visual tokens being reduced between layers.

    Every layer runs SDPA and numbers its positions 0..T-1, so what goes leaves no gap. What
    stands before an answer's second token then differs in length between layers.

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        inputs_embeds: float[1, T, D].
        image: position of the first visual token, and N.
        reduce: as of `Llava.prefill_layerwise`.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    require_plain(language_model)
    model = language_model.model
    layers: list[LayerCache] = []
    start, end = image[0], sum(image)
    hidden_states = _reduced(LayerState(inputs_embeds, start, end), -1, reduce)
    for index, layer in enumerate(cast("list[LlamaDecoderLayer]", list(model.layers))):
        length = hidden_states.shape[1]
        end = length - (inputs_embeds.shape[1] - sum(image))
        positions = torch.arange(length, device=hidden_states.device)
        rotation = model.rotary_emb(hidden_states, position_ids=positions[None])
        layer_pass = LayerPass(layer, hidden_states, rotation)
        layers.append(layer_pass.new_cache)
        state = LayerState(layer_pass.output(), start, end, layer_pass)
        hidden_states = _reduced(state, index, reduce)
    logits = next_token_logits(language_model, hidden_states[:, -1])
    return Prefill(logits, None, (KVCache(layers),))


def _reduced(
    state: LayerState, layer: int, reduce: Callable[[int, LayerState], Tensor | None]
) -> Tensor:
    kept = reduce(layer, state)
    return state.hidden_states if kept is None else state.with_visual_tokens(kept)
