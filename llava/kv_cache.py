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
    columns: Tensor | None = None
    """int64[B, P']: the positions that each sequence reads, ascending. None: all P."""

    @property
    def length(self) -> int:
        """P, read or not, in the first layer.

        In the others too, unless tokens were reduced between layers.
        """
        return self.layers[0].length

    def select_rows(self, rows: Sequence[int]) -> "KVCache":
        """Cache of some sequences: the same memory, picked layer by layer when it is read."""
        count = len(self.layers[0].key if self.rows is None else self.rows)
        if list(rows) == list(range(count)) or len(self.layers[0].key) == 1:
            return self
        index = torch.tensor(list(rows), device=self.layers[0].key.device)
        columns = None if self.columns is None else self.columns[index]
        return KVCache(self.layers, index if self.rows is None else self.rows[index], columns)

    def without(self, hidden: Sequence[Sequence[int]]) -> "KVCache":
        """Cache of B sequences that do not read some positions; the others stay where they are.

        Args:
            hidden: the positions of each sequence, equally many.
        """
        device = self.layers[0].key.device
        read = torch.ones(len(hidden), self.length, dtype=torch.bool, device=device)
        read.scatter_(1, torch.tensor(hidden, device=device), False)
        columns = read.nonzero()[:, 1].unflatten(0, (len(hidden), -1))
        return KVCache(self.layers, self.rows, columns)

    def in_layer(self, layer: int) -> LayerCache:
        """One layer's keys and values of the sequences."""
        key, value = self.layers[layer]
        if self.columns is not None:
            rows = torch.arange(len(self.columns), device=key.device)
            rows = (rows if self.rows is None else self.rows)[:, None]
            return LayerCache(
                *(x.transpose(1, 2)[rows, self.columns].transpose(1, 2) for x in (key, value))
            )
        if self.rows is None:
            return LayerCache(key, value)
        return LayerCache(key[self.rows], value[self.rows])
