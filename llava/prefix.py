"""Several prompts about one image: what they share is computed once, their texts run behind it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, LlamaForCausalLM
from transformers.cache_utils import DynamicLayer

from llava.final_layer import FinalLayer
from llava.language import Prefill, next_token_logits, run_layers, selected


@dataclass(frozen=True)
class Prefix:
    """What prompts about B images begin with: the text before the image and the image itself."""

    before_image: tuple[int, ...]
    """Ids of the text."""
    cache: DynamicCache
    """Keys and values of P positions, B rows."""


def prefill_prefix(language_model: LlamaForCausalLM, inputs_embeds: Tensor) -> DynamicCache:
    """Keys and values of float[B, P, D], behind which several texts can run.

    Nothing else of the final layer is computed: of a prefix nothing else is read there.
    """
    cache = DynamicCache()
    positions = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)
    run_layers(language_model, inputs_embeds, positions, None, cache)
    return cache


def prefill_behind(
    language_model: LlamaForCausalLM,
    prefix: DynamicCache,
    texts: Sequence[Tensor],
    attention_rows: Sequence[Sequence[int]],
) -> list[Prefill]:
    """One pass over K texts, each as if it alone stood behind the prefix.

    The texts are packed into one sequence: each position sees the prefix and what stands before it
    in its own text, and is counted from the prefix's end.

    Args:
        language_model: with `attn_implementation="sdpa"`.
        prefix: P positions of B prompts; it is left as it is.
        texts: K embeddings float[B, S_k, D].
        attention_rows: for each text the M_k positions in [0, S_k) whose attention over all
            T_k = P + S_k is wanted.

    Returns:
        One `Prefill` for each text.
    """
    packing = _Packing(prefix.get_seq_length(), tuple(text.shape[1] for text in texts))
    cache = _growing(prefix)
    device = texts[0].device
    visible = packing.visible(device)
    final = run_layers(
        language_model, torch.cat(list(texts), dim=1), packing.positions(device), visible, cache
    )
    ends = [end - 1 for _, end in packing.spans]
    logits = next_token_logits(language_model, final.output(ends, visible[ends]))  # [B, K, V]
    prefills = []
    for k, (start, _) in enumerate(packing.spans):
        columns = packing.columns(k, device)
        rows = [start + row for row in attention_rows[k]]
        attentions = _attentions(final, rows, visible)
        if attentions is not None:
            attentions = attentions[..., columns]
        prefills.append(Prefill(logits[:, k], attentions, cache, columns))
    return prefills


def _attentions(final: FinalLayer, rows: list[int], visible: Tensor) -> Tensor | None:
    """Attention float32[B, H, M, P + S] of some rows of the packed sequence; None of none."""
    return final.attentions(rows, visible[rows]) if rows else None


def select_images(prefix: DynamicCache, rows: Sequence[int]) -> DynamicCache:
    """The prefix of some of its B images, in that order; itself where they are all, in order."""
    keys = cast("DynamicLayer", prefix.layers[0]).keys
    assert keys is not None, "the prefix has been computed"
    if list(rows) == list(range(len(keys))):
        return prefix
    return selected(prefix, torch.tensor(list(rows), device=keys.device))


def _growing(prefix: DynamicCache) -> DynamicCache:
    """A cache that begins as the prefix and grows without changing it.

    A layer that grows gets new tensors; until then it holds the prefix's own.
    """
    cache = DynamicCache()
    cache.layers = [copy.copy(layer) for layer in prefix.layers]
    return cache


@dataclass(frozen=True)
class _Packing:
    """Texts of some lengths one after the other, behind a prefix of P positions."""

    prefix_length: int
    lengths: tuple[int, ...]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each text lies in the packed sequence: [start, end)."""
        ends = list(accumulate(self.lengths))
        return list(zip([0, *ends], ends, strict=False))

    def positions(self, device: torch.device) -> Tensor:
        """int64[S], each text counted from the prefix's end."""
        counted = [torch.arange(length, device=device) for length in self.lengths]
        return self.prefix_length + torch.cat(counted)

    def visible(self, device: torch.device) -> Tensor:
        """bool[S, P + S]: the prefix, and of its own text what stands before a position."""
        texts = [
            torch.ones(length, length, dtype=torch.bool, device=device).tril()
            for length in self.lengths
        ]
        packed = torch.block_diag(*texts)
        return functional.pad(packed, (self.prefix_length, 0), value=True)

    def columns(self, k: int, device: torch.device) -> Tensor:
        """int64[P + S_k], the positions of the prefix and of text k."""
        start, end = self.spans[k]
        own = torch.arange(self.prefix_length + start, self.prefix_length + end, device=device)
        return torch.cat([torch.arange(self.prefix_length, device=device), own])
