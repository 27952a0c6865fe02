"""The KV cache: keys and values of positions that have run, in every layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class LayerCache(NamedTuple):
    """A layer's keys, already rotated, and values, float[B, H_kv, P, d] each."""

    key: Tensor
    value: Tensor

    @property
    def length(self) -> int:
        """P, the number of positions."""
        return self.key.shape[2]

    def select_rows(self, rows: Tensor) -> "LayerCache":
        """Keys and values of batch rows int64[B']."""
        return LayerCache(self.key[rows], self.value[rows])

    def slice_positions(self, start: int, end: int) -> "LayerCache":
        """Keys and values of positions [start, end), the same memory."""
        return LayerCache(self.key[:, :, start:end], self.value[:, :, start:end])

    def followed_by(self, after: "LayerCache") -> "LayerCache":
        """A copy, continued by later positions; a single row precedes all rows."""
        batch = len(after.key)
        pairs = zip(self, after, strict=True)
        return LayerCache(*(torch.cat([x.expand(batch, -1, -1, -1), y], dim=2) for x, y in pairs))


@dataclass(frozen=True)
class KVCache:
    """Keys and values of P positions."""

    layers: Sequence[LayerCache]
    """Cache of each layer, R rows."""
    rows: Tensor | None = None
    """int64[B]: the one of the R rows that each sequence reads. None: each its own, or all the only
    one."""

    @property
    def length(self) -> int:
        """P, in the first layer; in the others too, unless tokens were reduced between layers."""
        return self.layers[0].length

    def select_rows(self, rows: Tensor) -> "KVCache":
        """Cache of sequences int64[B']: the same memory, picked layer by layer when it is read."""
        if self.rows is not None:
            return KVCache(self.layers, self.rows[rows])
        return self if len(self.layers[0].key) == 1 else KVCache(self.layers, rows)

    def in_layer(self, layer: int) -> LayerCache:
        """One layer's keys and values of the sequences."""
        return (
            self.layers[layer] if self.rows is None else self.layers[layer].select_rows(self.rows)
        )


class AnswerCache:
    """Keys and values of the tokens of B answers, written in place as they are decoded.

    What stands before the answers is read where the prefill left it, so no second copy of it exists
    while decoding.

    Args:
        capacity: largest number of tokens of an answer.
        num_layers: L.
    """

    def __init__(self, capacity: int, num_layers: int) -> None:
        self._capacity = capacity
        self._layers: list[LayerCache | None] = [None] * num_layers

    def append(self, layer: int, step: int, new: LayerCache) -> LayerCache:
        """A layer's keys and values of the tokens 0 to `step`, the last of which is new."""
        cache = self._layers[layer]
        if cache is None:
            batch, heads, _, width = new.key.shape
            shape = (batch, heads, self._capacity, width)
            cache = LayerCache(new.key.new_empty(shape), new.value.new_empty(shape))
            self._layers[layer] = cache
        for buffer, states in zip(cache, new, strict=True):
            buffer[:, :, step : step + 1] = states
        return cache.slice_positions(0, step + 1)
