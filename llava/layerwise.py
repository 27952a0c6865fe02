"""A prefill in which the caller may shorten the sequence after every decoder layer."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM
from transformers.cache_utils import DynamicLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, repeat_kv

from llava.final_layer import Rotation, attention_weights, causal, queries
from llava.language import Prefill, next_token_logits, require_sdpa

AttentionOf = Callable[[Sequence[int]], Tensor]
"""The layer's own attention, float32[B, H, M, T], of M positions over the sequence it ran on."""

AfterLayer = Callable[[int, Tensor, AttentionOf], Tensor]
"""Given a layer's number (from 0), its output float[B, T, D] and its attention: what the next layer
runs on, float[B, T', D]. The last position must stay the last."""


def layerwise_prefill(
    language_model: LlamaForCausalLM, inputs_embeds: Tensor, after_layer: AfterLayer
) -> Prefill:
    """One pass over the whole prompt, the sequence being changed between layers.

    Every layer runs SDPA and numbers its positions 0..T-1, so what goes leaves no gap. Its cache
    holds the T positions it ran on: the lengths differ between layers.

    Args:
        language_model: with `attn_implementation="sdpa"`.
        inputs_embeds: float[B, T, D], no padding.
        after_layer: called once a layer, in order.

    Raises:
        ValueError: the model does not run SDPA.
    """
    require_sdpa(language_model)
    model = language_model.model
    cache = DynamicCache()
    hidden_states = inputs_embeds
    for index, layer in enumerate(cast("list[LlamaDecoderLayer]", list(model.layers))):
        layer_input = hidden_states
        position_ids = torch.arange(layer_input.shape[1], device=layer_input.device)[None]
        rotation = model.rotary_emb(layer_input, position_ids=position_ids)
        output = layer(
            layer_input,
            attention_mask=None,
            position_ids=position_ids,
            position_embeddings=rotation,
            past_key_values=cache,
            use_cache=True,
        )
        attention_of = partial(_attention_of, layer, layer_input, rotation, cache)
        hidden_states = after_layer(index, output, attention_of)
    logits = next_token_logits(language_model, hidden_states[:, -1])
    return Prefill(logits, None, partial(_rows_of, cache))


def _attention_of(
    layer: LlamaDecoderLayer,
    layer_input: Tensor,
    rotation: Rotation,
    cache: DynamicCache,
    rows: Sequence[int],
) -> Tensor:
    """Attention float32[B, H, M, T] of some rows of a layer that has run."""
    attention = layer.self_attn
    query = queries(layer, layer_input, rotation, rows)
    key = cast("DynamicLayer", cache.layers[attention.layer_idx]).keys
    assert key is not None, "the layer has run"
    key = repeat_kv(key, attention.num_key_value_groups)
    visible = causal(rows, key.shape[2], key.device)
    return attention_weights(query, key, visible, attention.scaling)


def _rows_of(cache: DynamicCache, rows: Tensor) -> DynamicCache:
    """A cache of its own for some batch rows, int64[B]."""
    chosen = DynamicCache()
    for number, layer in enumerate(cast("list[DynamicLayer]", cache.layers)):
        assert layer.keys is not None, "the prefill has filled every layer"
        assert layer.values is not None, "the prefill has filled every layer"
        chosen.update(layer.keys[rows], layer.values[rows], number)
    return chosen
