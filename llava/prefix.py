"""Several prompts about one image: what they share is computed once, their texts run behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, LlamaForCausalLM
from transformers.cache_utils import DynamicLayer

from llava.language import Prefill, next_token_logits, run_layers


@dataclass(frozen=True)
class Prefix:
    """What prompts about B images begin with: the text before the image and the image itself."""

    before_image: tuple[int, ...]
    """Ids of the text."""
    cache: DynamicCache
    """Keys and values of P positions, B rows."""


def prefill_behind(
    language_model: LlamaForCausalLM,
    prefix_cache: DynamicCache,
    images: Sequence[int],
    texts: Sequence[Tensor],
    attention_rows: Sequence[Sequence[int]],
) -> list[Prefill]:
    """One pass over K texts, each as if it alone stood behind the prefix.

    The texts are packed into one sequence: each position sees the prefix and what stands before it
    in its own text, and the rotary embedding counts it from the prefix's end.

    Args:
        language_model: with `attn_implementation="sdpa"`.
        prefix_cache: P positions of some images; it is left as it is.
        images: B of its rows, those that the texts are about.
        texts: K embeddings float[B, S_k, D].
        attention_rows: for each text the M_k positions in [0, S_k) whose attention over all
            T_k = P + S_k is wanted.

    Returns:
        One `Prefill` for each text.
    """
    device = texts[0].device
    packing = _Packing(prefix_cache.get_seq_length(), tuple(text.shape[1] for text in texts))
    visible = packing.visible(device)
    cache = _behind(prefix_cache, images)
    final = run_layers(
        language_model, torch.cat(list(texts), dim=1), packing.positions(device), visible, cache
    )
    ends = [end - 1 for _, end in packing.spans]
    logits = next_token_logits(language_model, final.output(ends, visible[ends]))  # [B, K, V]
    prefills = []
    for k, (start, end) in enumerate(packing.spans):
        attentions = None
        if rows := [start + row for row in attention_rows[k]]:
            over_all = final.attentions(rows, visible[rows])
            attentions = packing.select(over_all, k)
        cache_of = partial(_cache_of, cache, slice(start, end))
        prefills.append(Prefill(logits[:, k], attentions, cache_of))
    return prefills


@dataclass(frozen=True)
class _Packing:
    """Texts of some lengths one after the other, behind a prefix of P positions."""

    prefix_length: int
    lengths: tuple[int, ...]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each text lies among the S packed ids: [start, end)."""
        ends = list(accumulate(self.lengths))
        return list(zip([0, *ends], ends, strict=False))

    def positions(self, device: torch.device) -> Tensor:
        """int64[S], what the rotary embedding counts: each text from the prefix's end."""
        counted = [torch.arange(length, device=device) for length in self.lengths]
        return self.prefix_length + torch.cat(counted)

    def visible(self, device: torch.device) -> Tensor:
        """bool[S, P + S]: the prefix, and of its own text what stands before a position."""
        texts = [
            torch.ones(length, length, dtype=torch.bool, device=device).tril()
            for length in self.lengths
        ]
        return functional.pad(torch.block_diag(*texts), (self.prefix_length, 0), value=True)

    def select(self, attentions: Tensor, k: int) -> Tensor:
        """Of float[..., P + S] what lies on the prefix and on text k, float[..., P + S_k]."""
        start, end = self.spans[k]
        own = attentions[..., self.prefix_length + start : self.prefix_length + end]
        return torch.cat([attentions[..., : self.prefix_length], own], dim=-1)


class _LayerBehind(DynamicLayer):
    """A layer's keys and values behind a prefix's, which are not stored a second time.

    Args:
        prefix: the layer's keys and values of the prefix.
        images: which of its rows stand before these.
    """

    def __init__(self, prefix: DynamicLayer, images: Sequence[int]) -> None:
        super().__init__()
        assert prefix.keys is not None, "the prefix has been computed"
        assert prefix.values is not None, "the prefix has been computed"
        self._prefix = prefix.keys, prefix.values
        self._images = torch.tensor(list(images), device=prefix.keys.device)
        self._all = list(images) == list(range(len(prefix.keys)))

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Keys and values of the prefix and of these, float[B, H, P + S, d] each."""
        own = super().update(key_states, value_states, *args, **kwargs)
        keys, values = (
            torch.cat([before if self._all else before[self._images], states], dim=2)
            for before, states in zip(self._prefix, own, strict=True)
        )
        return keys, values

    def of(self, rows: Tensor, span: slice) -> list[Tensor]:
        """Keys and values of the prefix and of one text, of some batch rows."""
        assert self.keys is not None, "the texts have run"
        assert self.values is not None, "the texts have run"
        return [
            torch.cat([before[self._images[rows]], own[rows][:, :, span]], dim=2)
            for before, own in zip(self._prefix, (self.keys, self.values), strict=True)
        ]


def _behind(prefix_cache: DynamicCache, images: Sequence[int]) -> DynamicCache:
    """An empty cache that stands behind some images of a prefix."""
    cache = DynamicCache()
    for layer in prefix_cache.layers:
        cache.layers.append(_LayerBehind(cast("DynamicLayer", layer), images))
    return cache


def _cache_of(cache: DynamicCache, span: slice, rows: Tensor) -> DynamicCache:
    """A cache of its own for some batch rows of the text that lies at a span of a pack."""
    chosen = DynamicCache()
    for number, layer in enumerate(cast("list[_LayerBehind]", cache.layers)):
        keys, values = layer.of(rows, span)
        chosen.update(keys, values, number)
    return chosen
