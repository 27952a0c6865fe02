"""The language model's prefill, lean in its final layer, and greedy decoding after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from llava.decoder_layer import LayerPass, Rotation, causal, rms_norm
from llava.kv_cache import AnswerCache, KVCache, LayerCache


@dataclass(frozen=True)
class Prefill:
    """What one pass over B spliced prompts of length T gives."""

    logits: Tensor
    """float32[B, V], at the last position."""
    attentions: Tensor | None
    """float32[B, H, M, T], final layer, the M rows asked for; None where none was."""
    caches: tuple[KVCache, ...]
    """Keys and values of all T positions, in consecutive parts."""


def prefill(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    attention_rows: Sequence[int] = (),
    prefix: KVCache | None = None,
) -> Prefill:
    """One pass over the whole prompt (Eq. 3, 5), or over what follows its prefix.

    All layers run SDPA. The final layer attends and feeds forward for the last position only, and
    attention weights exist only for the rows asked for, since nothing else of it is ever read.

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        inputs_embeds: float[B, S, D], no padding.
        attention_rows: M positions in [0, S) whose attention over all T = P + S is wanted.
        prefix: cache of P positions that stand before these.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    device, length = inputs_embeds.device, inputs_embeds.shape[1]
    start = prefix.length if prefix else 0
    layers: list[LayerCache] = []
    final = run_layers(
        language_model,
        inputs_embeds,
        _positions(start, length, device),
        prefix,
        keep=lambda layer_pass: layers.append(layer_pass.new_cache),
    )
    last = final.output_at([length - 1], None)[:, 0]  # it sees all
    attentions = None
    if attention_rows:
        visible = causal([start + row for row in attention_rows], start + length, device)
        attentions = final.attentions(attention_rows, visible)
    logits = next_token_logits(language_model, last)
    own = KVCache(layers)
    return Prefill(logits, attentions, (prefix, own) if prefix else (own,))


def prefix_cache(
    language_model: LlamaForCausalLM, inputs_embeds: Tensor, prefix: KVCache | None = None
) -> KVCache:
    """Cache of a prefix and of float[B, S, D] after it.

    Nothing else of the final layer is computed: nothing else of it is read there.
    """
    start, length = prefix.length if prefix else 0, inputs_embeds.shape[1]
    layers: list[LayerCache] = []
    run_layers(
        language_model,
        inputs_embeds,
        _positions(start, length, inputs_embeds.device),
        prefix,
        keep=lambda layer_pass: layers.append(layer_pass.whole_cache),
    )
    return KVCache(layers)


def run_layers(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    positions: Tensor,
    prefix: KVCache | None = None,
    visible: Tensor | None = None,
    keep: Callable[[LayerPass], object] = lambda _: None,
) -> LayerPass:
    """The final layer, its input being what all layers before it make of float[B, S, D].

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        inputs_embeds: float[B, S, D].
        positions: int64[S], what the rotary embedding counts.
        prefix: cache of P positions that stand before these.
        visible: bool[S, P + S], what each position sees; None: the prefix, what stands before it,
            and itself.
        keep: called with every layer's pass before its output is computed; what it does not take
            is gone after the layer.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    require_plain(language_model)
    model = language_model.model
    rotation = model.rotary_emb(inputs_embeds, position_ids=positions[None])
    *earlier, final = cast("list[LlamaDecoderLayer]", list(model.layers))

    def pass_through(layer: LlamaDecoderLayer, index: int, hidden_states: Tensor) -> LayerPass:
        before = prefix.in_layer(index) if prefix else None
        layer_pass = LayerPass(layer, hidden_states, rotation, before)
        keep(layer_pass)
        return layer_pass

    hidden_states = inputs_embeds
    for index, layer in enumerate(earlier):
        hidden_states = pass_through(layer, index, hidden_states).output(visible)
    return pass_through(final, len(earlier), hidden_states)


def _positions(start: int, length: int, device: torch.device) -> Tensor:
    return torch.arange(start, start + length, device=device)


def next_token_logits(language_model: LlamaForCausalLM, output: Tensor) -> Tensor:
    """Logits float32[..., V] from the final layer's output float[..., D]."""
    return language_model.lm_head(rms_norm(language_model.model.norm, output)).float()


def require_plain(language_model: LlamaForCausalLM) -> None:
    """Raise `ValueError` unless the model is a LLaMA as our own layers compute it."""
    config = language_model.config
    if config._attn_implementation != "sdpa":
        raise ValueError(f"prefill needs sdpa attention, got {config._attn_implementation}")
    if config.hidden_act != "silu":
        raise ValueError(f"prefill needs hidden_act silu, got {config.hidden_act}")


def decode(
    language_model: LlamaForCausalLM,
    prefilled: Prefill,
    rows: Sequence[int],
    max_new_tokens: int,
    end_ids: frozenset[int],
) -> list[list[int]]:
    """Greedy continuations of some rows of a prefill, up to and without the end token.

    The prompts' cache is read where the prefill left it; only the answers' own is added, in place.

    Args:
        language_model: the model that prefilled.
        prefilled: its prefill, which is left as it was.
        rows: the batch rows to go on with.
        max_new_tokens: at most so many ids each, at least 1.
        end_ids: ids that end an answer.
    """
    caches, token = _selected(prefilled, rows)
    answer = _Answer(language_model, caches, max_new_tokens)
    answers: list[list[int]] = [[] for _ in rows]
    ended = [False] * len(answers)
    for step in range(max_new_tokens):
        if step:
            token = answer.next_logits(token, step - 1).argmax(dim=-1)
        for row, token_id in enumerate(token.tolist()):
            ended[row] = ended[row] or token_id in end_ids
            if not ended[row]:
                answers[row].append(token_id)
        if all(ended):
            break
    return answers


def _selected(prefilled: Prefill, rows: Sequence[int]) -> tuple[tuple[KVCache, ...], Tensor]:
    """Cache and first token int64[B'] of some rows of a prefill; of all rows nothing is copied."""
    if list(rows) == list(range(len(prefilled.logits))):
        return prefilled.caches, prefilled.logits.argmax(dim=-1)
    index = torch.tensor(list(rows), device=prefilled.logits.device)
    caches = tuple(cache.select_rows(index) for cache in prefilled.caches)
    return caches, prefilled.logits[index].argmax(dim=-1)


class _Answer:
    """B answers that grow by one token a step.

    In each layer a token stands right after what precedes it in that layer: after a prefill that
    shortened the sequence between layers these positions differ, and no single one fits all.

    Args:
        language_model: the model.
        caches: of the prompts, in parts.
        max_new_tokens: how many tokens an answer may have.
    """

    def __init__(
        self, language_model: LlamaForCausalLM, caches: tuple[KVCache, ...], max_new_tokens: int
    ) -> None:
        self._language_model = language_model
        self._caches = caches
        self._layers = cast("list[LlamaDecoderLayer]", list(language_model.model.layers))
        self._starts = [
            sum(cache.layers[index].length for cache in caches)
            for index in range(len(self._layers))
        ]
        self._rotations = {
            start: self._rotation_table(start, max_new_tokens) for start in set(self._starts)
        }
        self._own = AnswerCache(max_new_tokens, len(self._layers))

    def _rotation_table(self, start: int, length: int) -> Rotation:
        """Of the positions that the answers' tokens can have in layers of one prompt length."""
        positions = _positions(start, length, self._language_model.device)
        embedding = self._language_model.model
        return embedding.rotary_emb(embedding.embed_tokens.weight, position_ids=positions[None])

    def next_logits(self, token: Tensor, step: int) -> Tensor:
        """Logits float32[B, V] after the answers' token int64[B] of number `step`."""
        hidden_states = self._language_model.model.embed_tokens(token[:, None])
        for index, (layer, start) in enumerate(zip(self._layers, self._starts, strict=True)):
            cos, sin = self._rotations[start]
            rotation = cos[:, step : step + 1], sin[:, step : step + 1]
            layer_pass = LayerPass(layer, hidden_states, rotation)
            own = self._own.append(index, step, layer_pass.new_cache)
            earlier = [cache.in_layer(index) for cache in self._caches]
            hidden_states = layer_pass.output_after([*earlier, own])
        return next_token_logits(self._language_model, hidden_states[:, -1])
