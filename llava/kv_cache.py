"""What stands before the positions that a pass computes: keys and values, in every layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class KeysValues(NamedTuple):
    """A layer's keys, already rotated, and values, float[B, H_kv, P, d] each."""

    key: Tensor
    value: Tensor

    @property
    def length(self) -> int:
        """P, how many positions they are of."""
        return self.key.shape[2]

    def of(self, rows: Tensor) -> "KeysValues":
        """Those of batch rows int64[B']."""
        return KeysValues(self.key[rows], self.value[rows])

    def between(self, start: int, end: int) -> "KeysValues":
        """Those of positions [start, end)."""
        return KeysValues(self.key[:, :, start:end], self.value[:, :, start:end])

    def then(self, behind: "KeysValues") -> "KeysValues":
        """These and those of the positions behind them; a single row stands before all rows."""
        batch = len(behind.key)
        pairs = zip(self, behind, strict=True)
        return KeysValues(*(torch.cat([x.expand(batch, -1, -1, -1), y], dim=2) for x, y in pairs))


@dataclass(frozen=True)
class Past:
    """P positions that stand before others."""

    layers: Sequence[KeysValues]
    """Of each layer, R rows."""
    rows: Tensor | None = None
    """Which of the R rows stands before each row that goes on; None: all in order, or the only one
    before every row."""

    @property
    def length(self) -> int:
        """P, in the first layer; in the others too, unless tokens were reduced between layers."""
        return self.layers[0].length

    def of(self, rows: Tensor) -> "Past":
        """That of batch rows int64[B']; it is the same memory, picked layer by layer when read."""
        if self.rows is not None:
            return Past(self.layers, self.rows[rows])
        return self if len(self.layers[0].key) == 1 else Past(self.layers, rows)

    def in_layer(self, layer: int) -> KeysValues:
        """One layer's keys and values of the rows that go on."""
        return self.layers[layer] if self.rows is None else self.layers[layer].of(self.rows)

    def then(self, behind: Sequence[KeysValues]) -> "Past":
        """This and what stands behind it, one layer after the other."""
        return Past([self.in_layer(i).then(own) for i, own in enumerate(behind)])
