"""Every pass over the decoder layers: prefill whole, after a prefix or layer by layer; decoding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from llava.decoder_layer import LayerPass, Rotation, causal, rms_norm
from llava.kv_cache import KVCache, LayerCache


@dataclass(frozen=True)
class Prefill:
    """Results of one pass over B prompts of spliced length T."""

    logits: Tensor
    """float32[B, V], at the last position."""
    attentions: Tensor | None
    """float32[B, H, M, N], final layer, from the M rows asked for to the visual tokens (Eq. 5);
    None where no row was."""
    caches: tuple[KVCache, ...]
    """Keys and values of all T positions, in consecutive parts."""


def prefill(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    rows: Sequence[int] = (),
    columns: slice = slice(None),
    prefix: KVCache | None = None,
) -> Prefill:
    """One pass over the whole prompt (Eq. 3, 5), or over what follows its prefix.

    All layers run SDPA. The final layer attends and feeds forward for the last position only, and
    attention weights exist only for the rows asked for, since nothing else of it is ever read.

    Args:
        language_model: as `require_plain` wants it.
        inputs_embeds: float[B, S, D], no padding.
        rows: M positions in [0, S) whose attention is wanted.
        columns: the positions of all T = P + S that it is wanted to.
        prefix: cache of P positions that stand before these.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    start, length = prefix.length if prefix else 0, inputs_embeds.shape[1]
    final, layers = run_layers(language_model, inputs_embeds, prefix)
    last = final.output_at([length - 1], None)[:, 0]  # it sees all
    attentions = None
    if rows:
        visible = causal([start + row for row in rows], start + length, inputs_embeds.device)
        attentions = final.attentions(rows, visible)[..., columns]
    own = KVCache(layers)
    caches = (prefix, own) if prefix else (own,)
    return Prefill(next_token_logits(language_model, last), attentions, caches)


def prefix_cache(
    language_model: LlamaForCausalLM, inputs_embeds: Tensor, prefix: KVCache | None = None
) -> KVCache:
    """Cache of a prefix and of float[B, S, D] after it; the final layer has no output."""
    return KVCache(run_layers(language_model, inputs_embeds, prefix, whole=True)[1])


def run_layers(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    prefix: KVCache | None = None,
    visible: Tensor | None = None,
    positions: Tensor | None = None,
    *,
    whole: bool = False,
) -> tuple[LayerPass, list[LayerCache]]:
    """The final layer, its output not computed yet, and every layer's keys and values.

    Args:
        language_model: as `require_plain` wants it.
        inputs_embeds: float[B, S, D].
        prefix: cache of P positions that stand before these.
        visible: bool[S, P + S] or bool[B, 1, S, P + S], what each position sees; None: the prefix,
            what stands before it, and itself.
        positions: int64[S], for the rotary embedding; None: P to P + S - 1.
        whole: keep the keys and values of all P + S positions, not of the S alone.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    require_plain(language_model)
    if positions is None:
        positions = _positions(inputs_embeds, prefix.length if prefix else 0)
    rotation = _rotation(language_model, positions)
    caches: list[LayerCache] = []

    def run(layer: LlamaDecoderLayer, hidden_states: Tensor) -> LayerPass:
        before = prefix.in_layer(len(caches)) if prefix else None
        layer_pass = LayerPass(layer, hidden_states, rotation, before)
        caches.append(layer_pass.whole_cache if whole else layer_pass.new_cache)
        return layer_pass

    *earlier, final = decoder_layers(language_model)
    hidden_states = inputs_embeds
    for layer in earlier:
        hidden_states = run(layer, hidden_states).output(visible)
    return run(final, hidden_states), caches


@dataclass(frozen=True)
class LayerState:
    """One image and the text after it, between two decoder layers."""

    _hidden_states: Tensor
    """float[1, T, D]."""
    _image: slice
    """Positions of the N visual tokens among the T."""
    _layer_pass: LayerPass | None
    """The layer before, over the same T positions; None before the first."""

    @property
    def visual_tokens(self) -> Tensor:
        """float[N, D]."""
        return self._hidden_states[0, self._image]

    @property
    def text_tokens(self) -> Tensor:
        """float[S, D], the text after the image."""
        return self._hidden_states[0, self._image.stop :]

    def attention(self, rows: Sequence[int]) -> Tensor:
        """float32[H, M, N], from M of the S text tokens to the visual ones, in the layer before.

        Raises:
            ValueError: before the first layer, where there is none.
        """
        if self._layer_pass is None:
            raise ValueError("before the first layer there is no attention")
        positions = [self._image.stop + row for row in rows]
        visible = causal(positions, self._hidden_states.shape[1], self._hidden_states.device)
        return self._layer_pass.attentions(positions, visible)[0, :, :, self._image]


Reduce = Callable[[int, LayerState], Tensor | None]
"""Given a layer's number (-1 before the first) and the state after it: the visual tokens
float[N', D] that go on, or None: all of them."""


def prefill_layerwise(
    language_model: LlamaForCausalLM, inputs_embeds: Tensor, image: slice, reduce: Reduce
) -> Prefill:
    """One pass over one prompt whose visual tokens may be reduced between layers.

    Every layer runs SDPA and numbers its positions 0..T-1, so what goes leaves no gap. The caches
    then differ in length between layers.

    Args:
        language_model: as `require_plain` wants it.
        inputs_embeds: float[1, T, D].
        image: positions of the visual tokens among the T.
        reduce: called before the first layer and after every one.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    require_plain(language_model)
    layers: list[LayerCache] = []
    hidden_states, image = _reduced(reduce, -1, LayerState(inputs_embeds, image, None))
    for index, layer in enumerate(decoder_layers(language_model)):
        rotation = _rotation(language_model, _positions(hidden_states))
        layer_pass = LayerPass(layer, hidden_states, rotation)
        layers.append(layer_pass.new_cache)
        state = LayerState(layer_pass.output(), image, layer_pass)
        hidden_states, image = _reduced(reduce, index, state)
    logits = next_token_logits(language_model, hidden_states[:, -1])
    return Prefill(logits, None, (KVCache(layers),))


def _reduced(reduce: Reduce, layer: int, state: LayerState) -> tuple[Tensor, slice]:
    """Hidden states float[1, T', D] with the visual tokens that go on, and their positions."""
    hidden_states, image = state._hidden_states, state._image
    if (visual_tokens := reduce(layer, state)) is None:
        return hidden_states, image
    parts = [hidden_states[:, : image.start], visual_tokens[None], hidden_states[:, image.stop :]]
    return torch.cat(parts, dim=1), slice(image.start, image.start + len(visual_tokens))


def decoder_layers(language_model: LlamaForCausalLM) -> list[LlamaDecoderLayer]:
    """The L decoder layers, in order."""
    return cast("list[LlamaDecoderLayer]", list(language_model.model.layers))


def _positions(hidden_states: Tensor, start: int = 0) -> Tensor:
    """int64[S], consecutive, of float[B, S, D]."""
    return torch.arange(start, start + hidden_states.shape[1], device=hidden_states.device)


def _rotation(language_model: LlamaForCausalLM, positions: Tensor) -> Rotation:
    """Cos and sin for positions int64[S], in the dtype of the embeddings."""
    model = language_model.model
    return model.rotary_emb(model.embed_tokens.weight, position_ids=positions[None])


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
        rows: the batch rows that go on.
        max_new_tokens: largest number of ids of each, at least 1.
        end_ids: ids that end an answer.
    """
    token = prefilled.logits.argmax(dim=-1)[list(rows)]
    caches = [cache.select_rows(rows) for cache in prefilled.caches]
    growing = _Answers(language_model, caches, len(rows), max_new_tokens)
    answers: list[list[int]] = [[] for _ in rows]
    ended = [False] * len(answers)
    for step in range(max_new_tokens):
        if step:
            token = growing.next_logits(token, step - 1).argmax(dim=-1)
        for row, token_id in enumerate(token.tolist()):
            ended[row] = ended[row] or token_id in end_ids
            if not ended[row]:
                answers[row].append(token_id)
        if all(ended):
            break
    return answers


class _Answers:
    """B answers that grow by one token a step, their keys and values written in place.

    In each layer a token stands right after what precedes it in that layer: after a prefill that
    shortened the sequence between layers these positions differ, and no single one fits all.
    `capacity` is the largest number of tokens of an answer.
    """

    def __init__(
        self, language_model: LlamaForCausalLM, caches: list[KVCache], batch: int, capacity: int
    ) -> None:
        self._language_model, self._caches = language_model, caches
        self._layers = decoder_layers(language_model)
        self._own: list[LayerCache] = []
        self._starts: list[int] = []
        for parts in zip(*(cache.layers for cache in caches), strict=True):
            _, heads, _, width = parts[0].key.shape
            empty = [x.new_empty(batch, heads, capacity, width) for x in parts[0]]
            self._own.append(LayerCache(*empty))
            self._starts.append(sum(part.length for part in parts))
        steps = torch.arange(capacity, device=language_model.device)
        self._rotations = {
            start: _rotation(language_model, start + steps) for start in set(self._starts)
        }

    def next_logits(self, token: Tensor, step: int) -> Tensor:
        """Logits float32[B, V] after the answers' token int64[B] of number `step`."""
        hidden_states = self._language_model.model.embed_tokens(token[:, None])
        for index, layer in enumerate(self._layers):
            cos, sin = self._rotations[self._starts[index]]
            rotation = cos[:, step : step + 1], sin[:, step : step + 1]
            layer_pass = LayerPass(layer, hidden_states, rotation)
            for buffer, states in zip(self._own[index], layer_pass.new_cache, strict=True):
                buffer[:, :, step : step + 1] = states
            own = self._own[index].slice_positions(0, step + 1)
            earlier = [cache.in_layer(index) for cache in self._caches]
            hidden_states = layer_pass.output_after([*earlier, own])
        return next_token_logits(self._language_model, hidden_states[:, -1])
