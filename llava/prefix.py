"""Several prompts about one image: what they share is computed once, their texts run behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from llava.kv_cache import KVCache, LayerCache
from llava.language import Prefill, next_token_logits, run_layers


@dataclass(frozen=True)
class Prefix:
    """What prompts begin with: the text before the image, or that and each of B images."""

    before_image: tuple[int, ...]
    """Ids of the text."""
    cache: KVCache
    """P positions; a row for each image, or a single one that holds no image."""

    def cache_of(self, images: Sequence[int]) -> KVCache:
        """Cache of some images, by their number."""
        first = self.cache.layers[0].key
        if list(images) == list(range(len(first))):
            return self.cache
        return self.cache.select_rows(torch.tensor(list(images), device=first.device))


def prefill_with_prefix(
    language_model: LlamaForCausalLM,
    prefix: KVCache,
    texts: Sequence[Tensor],
    attention_rows: Sequence[Sequence[int]],
) -> list[Prefill]:
    """One pass over K texts, each as if it alone stood behind the prefix.

    The texts are packed into one sequence: each position sees the prefix and what stands before it
    in its own text, and the rotary embedding counts it from the prefix's end.

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        prefix: cache of its P positions, of B rows that go on.
        texts: K embeddings float[B, S_k, D].
        attention_rows: for each text the M_k positions in [0, S_k) whose attention over all
            T_k = P + S_k is wanted.

    Returns:
        One `Prefill` for each text.
    """
    device = texts[0].device
    packing = _Packing(prefix.length, tuple(text.shape[1] for text in texts))
    positions, visible = packing.positions(device), packing.visible(device)
    layers: list[LayerCache] = []
    packed = torch.cat(list(texts), dim=1)
    final = run_layers(
        language_model,
        packed,
        positions,
        prefix,
        visible,
        keep=lambda layer_pass: layers.append(layer_pass.new_cache),
    )
    ends = [end - 1 for _, end in packing.spans]
    logits = next_token_logits(language_model, final.output_at(ends, visible[ends]))  # [B, K, V]
    prefills = []
    for k, (start, end) in enumerate(packing.spans):
        attentions = None
        if rows := [start + row for row in attention_rows[k]]:
            over_all = final.attentions(rows, visible[rows])
            attentions = packing.select(over_all, k)
        text = KVCache([layer.slice_positions(start, end) for layer in layers])
        prefills.append(Prefill(logits[:, k], attentions, (prefix, text)))
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
