"""The language model's prefill, lean in its final layer, and greedy decoding after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from llava.final_layer import FinalLayer, causal


@dataclass(frozen=True)
class Prefill:
    """What one pass over B spliced prompts of length T gives."""

    logits: Tensor
    """float32[B, V], at the last position."""
    attentions: Tensor | None
    """float32[B, H, M, T], final layer, the M rows asked for; None where none was."""
    cache_of: Callable[[Tensor], DynamicCache]
    """Given batch rows int64[B'], a cache of their own with every layer's keys and values.

    Few answers are decoded, so nothing is kept for it: a plain prefill computes them again here."""


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
    device, length = inputs_embeds.device, inputs_embeds.shape[1]
    positions = torch.arange(length, device=device)
    final = run_layers(language_model, inputs_embeds, positions)
    last = final.output([length - 1], None)[:, 0]  # it sees all
    attentions = None
    if attention_rows:
        attentions = final.attentions(attention_rows, causal(attention_rows, length, device))
    logits = next_token_logits(language_model, last)
    return Prefill(
        logits, attentions, lambda rows: keys_and_values(language_model, inputs_embeds[rows])
    )


def keys_and_values(language_model: LlamaForCausalLM, inputs_embeds: Tensor) -> DynamicCache:
    """Every layer's keys and values of float[B, T, D], behind which the sequence can go on.

    Nothing else of the final layer is computed: nothing else of it is read there.
    """
    cache = DynamicCache()
    positions = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)
    run_layers(language_model, inputs_embeds, positions, cache=cache)
    return cache


def run_layers(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    positions: Tensor,
    visible: Tensor | None = None,
    cache: DynamicCache | None = None,
) -> FinalLayer:
    """The final layer, its input being what all layers before it make of float[B, S, D].

    Args:
        language_model: with `attn_implementation="sdpa"`.
        inputs_embeds: float[B, S, D].
        positions: int64[S], what the rotary embedding counts.
        visible: bool[S, T], what each position sees of the cache and of the S; None: what stands
            before it, the cache being empty.
        cache: P positions that stand before these; gets their keys and values. None: no position
            stands before these, and nothing is kept.

    Raises:
        ValueError: the model does not run SDPA.
    """
    require_sdpa(language_model)
    model = language_model.model
    rotation = model.rotary_emb(inputs_embeds, position_ids=positions[None])
    hidden_states = inputs_embeds
    *layers, final_layer = cast("list[LlamaDecoderLayer]", list(model.layers))
    for layer in layers:
        # Without a mask SDPA is causal, which is all that a batch of equal lengths needs.
        hidden_states = layer(
            hidden_states,
            attention_mask=None if visible is None else visible[None, None],
            position_ids=positions[None],
            position_embeddings=rotation,
            past_key_values=cache,
            use_cache=cache is not None,
        )
    return FinalLayer(final_layer, hidden_states, rotation, cache)


def next_token_logits(language_model: LlamaForCausalLM, output: Tensor) -> Tensor:
    """Logits float32[..., V] from the final layer's output float[..., D]."""
    return language_model.lm_head(language_model.model.norm(output)).float()


def require_sdpa(language_model: LlamaForCausalLM) -> None:
    """Raise `ValueError` unless the model runs SDPA, which without a mask is causal."""
    implementation = language_model.config._attn_implementation
    if implementation != "sdpa":
        raise ValueError(f"prefill needs sdpa attention, got {implementation}")


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
        prefilled: its prefill, which is left as it was.
        rows: the batch rows to go on with.
        max_new_tokens: at most so many ids each.
        end_ids: ids that end an answer.
    """
    index = torch.tensor(list(rows), device=prefilled.logits.device)
    cache = prefilled.cache_of(index)
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


def _next_logits(language_model: LlamaForCausalLM, token: Tensor, cache: DynamicCache) -> Tensor:
    """Logits float32[B, V] after one more token int64[B], which the cache then holds too.

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
    return next_token_logits(language_model, hidden_states[:, -1])
