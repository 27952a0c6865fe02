"""A prefill in which the caller may shorten the sequence after every decoder layer."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from llava.decoder_layer import LayerPass, causal
from llava.kv_cache import KVCache, LayerCache
from llava.language import Prefill, next_token_logits, require_plain

AttentionOf = Callable[[Sequence[int]], Tensor]
"""The layer's own attention, float32[B, H, M, T], of M positions over the sequence it ran on."""

AfterLayer = Callable[[int, Tensor, AttentionOf], Tensor]
"""Given a layer's number (from 0), its output float[B, T, D] and its attention: what the next layer
runs on, float[B, T', D]. The last position must stay the last."""


def layerwise_prefill(
    language_model: LlamaForCausalLM, inputs_embeds: Tensor, after_layer: AfterLayer
) -> Prefill:
    """One pass over the whole prompt, the sequence being changed between layers.

    Every layer runs SDPA and numbers its positions 0..T-1, so what goes leaves no gap. What
    stands before an answer's second token then differs in length between layers.

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        inputs_embeds: float[B, T, D], no padding.
        after_layer: called once a layer, in order.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    require_plain(language_model)
    model = language_model.model
    layers: list[LayerCache] = []
    hidden_states = inputs_embeds
    for index, layer in enumerate(cast("list[LlamaDecoderLayer]", list(model.layers))):
        positions = torch.arange(hidden_states.shape[1], device=hidden_states.device)
        rotation = model.rotary_emb(hidden_states, position_ids=positions[None])
        layer_pass = LayerPass(layer, hidden_states, rotation)
        layers.append(layer_pass.new_cache)
        attention_of = partial(_attention_of, layer_pass, positions)
        hidden_states = after_layer(index, layer_pass.output(), attention_of)
    logits = next_token_logits(language_model, hidden_states[:, -1])
    return Prefill(logits, None, (KVCache(layers),))


def _attention_of(layer_pass: LayerPass, positions: Tensor, rows: Sequence[int]) -> Tensor:
    """Attention float32[B, H, M, T] of some rows of a layer that has run."""
    return layer_pass.attentions(rows, causal(rows, len(positions), positions.device))
