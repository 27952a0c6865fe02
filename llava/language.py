"""The language model's prefill, lean in its final layer, and greedy decoding after it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, LlamaForCausalLM
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
    if language_model.config._attn_implementation != "sdpa":
        raise ValueError(
            f"prefill needs sdpa attention, got {language_model.config._attn_implementation}"
        )
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

    def heads(states: Tensor) -> Tensor:
        return states.view(batch, -1, states.shape[-1] // attention.head_dim, attention.head_dim)

    query = heads(attention.q_proj(normed[:, queried])).transpose(1, 2)  # [B, H, M + 1, d]
    key = heads(attention.k_proj(normed)).transpose(1, 2)  # [B, H_kv, T, d]
    value = heads(attention.v_proj(normed)).transpose(1, 2)
    cos, sin = rotation  # [1, T, d]
    query = _rotate(query, cos[:, queried], sin[:, queried])
    key, value = cache.update(_rotate(key, cos, sin), value, attention.layer_idx)
    key, value = (repeat_kv(x, attention.num_key_value_groups) for x in (key, value))

    attended = functional.scaled_dot_product_attention(
        query[:, :, -1:], key, value, scale=attention.scaling
    )  # the last position sees all, so no mask
    last = hidden_states[:, -1] + attention.o_proj(attended.transpose(1, 2).reshape(batch, -1))
    last = last + layer.mlp(layer.post_attention_layernorm(last))
    if not attention_rows:
        return last, None
    return last, _attention_weights(query[:, :, :-1], key, attention_rows, attention.scaling)


def _rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of float[B, H, T, d]."""
    return states * cos.unsqueeze(1) + rotate_half(states) * sin.unsqueeze(1)


def _attention_weights(query: Tensor, key: Tensor, rows: list[int], scaling: float) -> Tensor:
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
    cache = copy.deepcopy(prefilled.cache)
    cache.batch_select_indices(index)
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
        output = language_model(input_ids=token[:, None], past_key_values=cache, use_cache=True)
        token = output.logits[:, -1].argmax(dim=-1)
    return answers
