"""The language model's prefill, lean in its final layer, and greedy decoding after it.

Of the final layer only the last position's output and the attention of a few rows are ever read.
So the layers before it are called as transformers has them, and the final one is written out here
from its own submodules: keys and values for all positions, queries, output and MLP for the few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, LlamaForCausalLM
from transformers.cache_utils import DynamicLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, repeat_kv, rotate_half


@dataclass(frozen=True)
class Prefill:
    """What one pass over B spliced prompts of length T gives."""

    logits: Tensor
    """float32[B, V], at the last position."""
    attentions: Tensor | None
    """float32[B, H, M, T], final layer, the M rows asked for; None where none was."""
    cache: DynamicCache
    """Keys and values of every layer, from which decoding goes on."""


def prefill(
    language_model: LlamaForCausalLM, inputs_embeds: Tensor, attention_rows: Sequence[int] = ()
) -> Prefill:
    """One pass over the whole prompt (Eq. 3, 5).

    All layers run SDPA. The final layer attends and feeds forward for the last position only, and
    attention weights exist only for the rows asked for, since nothing else of it is ever read.

    Args:
        language_model: with `attn_implementation="sdpa"`.
        inputs_embeds: float[B, T, D], no padding.
        attention_rows: M positions in [0, T) whose attention is wanted.

    Raises:
        ValueError: the model does not run SDPA.
    """
    require_sdpa(language_model)
    model = language_model.model
    cache = DynamicCache()
    position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)[None]
    rotation = model.rotary_emb(inputs_embeds, position_ids=position_ids)
    hidden_states = inputs_embeds
    *layers, final_layer = cast("list[LlamaDecoderLayer]", list(model.layers))
    for layer in layers:
        # Without a mask SDPA is causal, which is all that a batch of equal lengths needs.
        hidden_states = layer(
            hidden_states,
            attention_mask=None,
            position_ids=position_ids,
            position_embeddings=rotation,
            past_key_values=cache,
            use_cache=True,
        )
    last, attentions = _final_layer(
        final_layer, hidden_states, rotation, cache, list(attention_rows)
    )
    logits = language_model.lm_head(model.norm(last))
    return Prefill(logits.float(), attentions, cache)


def require_sdpa(language_model: LlamaForCausalLM) -> None:
    """Raise `ValueError` unless the model runs SDPA, which without a mask is causal."""
    implementation = language_model.config._attn_implementation
    if implementation != "sdpa":
        raise ValueError(f"prefill needs sdpa attention, got {implementation}")


def _final_layer(
    layer: LlamaDecoderLayer,
    hidden_states: Tensor,
    rotation: tuple[Tensor, Tensor],
    cache: DynamicCache,
    attention_rows: list[int],
) -> tuple[Tensor, Tensor | None]:
    """Output at the last position, float[B, D], and attention of some rows, float32[B, H, M, T].

    Every position gives a key and a value; a query only the last one and the rows asked for.
    """
    attention = layer.self_attn
    batch, length, _ = hidden_states.shape
    queried = [*attention_rows, length - 1]
    normed = layer.input_layernorm(hidden_states)
    query = split_heads(attention.q_proj(normed[:, queried]), attention.head_dim)  # [B, H, M+1, d]
    key = split_heads(attention.k_proj(normed), attention.head_dim)  # [B, H_kv, T, d]
    value = split_heads(attention.v_proj(normed), attention.head_dim)
    cos, sin = rotation  # [1, T, d]
    query = rotate(query, cos[:, queried], sin[:, queried])
    key, value = cache.update(rotate(key, cos, sin), value, attention.layer_idx)
    key, value = (repeat_kv(x, attention.num_key_value_groups) for x in (key, value))

    attended = functional.scaled_dot_product_attention(
        query[:, :, -1:], key, value, scale=attention.scaling
    )  # the last position sees all, so no mask
    last = hidden_states[:, -1] + attention.o_proj(attended.transpose(1, 2).reshape(batch, -1))
    last = last + layer.mlp(layer.post_attention_layernorm(last))
    if not attention_rows:
        return last, None
    return last, attention_weights(query[:, :, :-1], key, attention_rows, attention.scaling)


def split_heads(states: Tensor, head_dim: int) -> Tensor:
    """Projected states float[B, T, H × d] as float[B, H, T, d]."""
    return states.unflatten(-1, (-1, head_dim)).transpose(1, 2)


def rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of float[B, H, T, d]."""
    return states * cos.unsqueeze(1) + rotate_half(states) * sin.unsqueeze(1)


def attention_weights(query: Tensor, key: Tensor, rows: list[int], scaling: float) -> Tensor:
    """Causal softmaxed attention, float32[B, H, M, T], of the queries at `rows` over all keys."""
    weights = query.float() @ key.float().transpose(2, 3) * scaling
    columns = torch.arange(key.shape[2], device=key.device)
    future = columns > torch.tensor(rows, device=key.device)[:, None]  # [M, T]
    return weights.masked_fill(future, float("-inf")).softmax(dim=-1)


def decode(
    language_model: LlamaForCausalLM,
    prefilled: Prefill,
    rows: Sequence[int],
    max_new_tokens: int,
    end_ids: frozenset[int],
) -> list[list[int]]:
    """Greedy continuations of some rows of a prefill, up to and without the end token.

    Args:
        language_model: the model that prefilled.
        prefilled: its prefill, whose cache is left as it was.
        rows: the batch rows to go on with.
        max_new_tokens: at most so many ids each.
        end_ids: ids that end an answer.
    """
    index = torch.tensor(list(rows), device=prefilled.logits.device)
    cache = _selected(prefilled.cache, index)
    token = prefilled.logits[index].argmax(dim=-1)
    answers: list[list[int]] = [[] for _ in rows]
    ended = [False] * len(answers)
    for _ in range(max_new_tokens):
        for row, token_id in enumerate(token.tolist()):
            ended[row] = ended[row] or token_id in end_ids
            if not ended[row]:
                answers[row].append(token_id)
        if all(ended):
            break
        token = _next_logits(language_model, token, cache).argmax(dim=-1)
    return answers


def _selected(cache: DynamicCache, index: Tensor) -> DynamicCache:
    """A cache of its own for some batch rows, int64[B]."""
    selected = DynamicCache()
    for number, layer in enumerate(cast("list[DynamicLayer]", cache.layers)):
        assert layer.keys is not None, "the prefill has filled every layer"
        assert layer.values is not None, "the prefill has filled every layer"
        selected.update(layer.keys[index], layer.values[index], number)
    return selected


def _next_logits(language_model: LlamaForCausalLM, token: Tensor, cache: DynamicCache) -> Tensor:
    """Logits float[B, V] after one more token int64[B], which the cache then holds too.

    In each layer the token stands right after what that layer's cache holds: after a prefill that
    shortened the sequence between layers these positions differ, and no single one fits all.
    """
    model = language_model.model
    hidden_states = model.embed_tokens(token[:, None])
    for index, layer in enumerate(model.layers):
        position_ids = torch.full((1, 1), cache.get_seq_length(index), device=token.device)
        hidden_states = layer(
            hidden_states,
            attention_mask=None,
            position_ids=position_ids,
            position_embeddings=model.rotary_emb(hidden_states, position_ids=position_ids),
            past_key_values=cache,
            use_cache=True,
        )
    return language_model.lm_head(model.norm(hidden_states[:, -1]))
