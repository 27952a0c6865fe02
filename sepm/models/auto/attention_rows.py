"""Attention rows of one decoder layer, computed beside its output; every layer keeps its kernel."""

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sepm.errors import RunError

IMPLEMENTATION = "sepm_rows"
"""Name of the attention function of the layer that is read."""


class RowReader:
    """Reads rows of one attention module's weights while a pass runs.

    Only that module's configuration names another attention function: set for the whole model, it
    would also decide which masks the model makes.

    Args:
        attention: the module, which goes on computing its output as before.
    """

    def __init__(self, attention: nn.Module) -> None:
        config: Any = attention.config
        eager = getattr(sys.modules[type(attention).__module__], "eager_attention_forward", None)
        name = config._attn_implementation
        self._plain = ALL_ATTENTION_FUNCTIONS.get_interface(name, eager)  # type: ignore[arg-type]
        self._positions: Tensor | None = None
        self._weights: Tensor | None = None
        own = copy.copy(config)
        own._attn_implementation_internal = IMPLEMENTATION
        attention.config = own
        attention.row_reader = self  # type: ignore[assignment]

    @contextmanager
    def reading(self, positions: Tensor) -> Iterator[None]:
        """Within it, a pass leaves its rows at some positions for `weights_of`.

        Args:
            positions: int64[M]; none: nothing is read.
        """
        self._positions, self._weights = positions if len(positions) else None, None
        try:
            yield
        finally:
            self._positions = None

    def weights_of(self, columns: Tensor) -> Tensor:
        """Softmaxed weights float32[B, H, M, N] of the last pass that was read.

        Args:
            columns: int64[B, N], positions of each row that the weights are wanted of.
        """
        assert self._weights is not None, "no pass was read"
        index = columns.to(self._weights.device)[:, None, None]
        return self._weights.gather(3, index.expand(*self._weights.shape[:3], -1))

    def attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **more: Any
    ) -> Any:
        """Output of the module's own attention function; the rows are kept where they are read."""
        output = self._plain(module, query, key, value, mask, **more)
        if self._positions is not None:
            causal = more.get("is_causal")
            causal = getattr(module, "is_causal", True) if causal is None else causal
            self._weights = row_weights(
                query,
                key,
                mask,
                self._positions,
                scaling=more.get("scaling"),
                softcap=more.get("softcap"),
                causal=causal,
            )
        return output


def _attend(module: nn.Module, *tensors: Any, **more: Any) -> Any:
    return module.row_reader.attend(module, *tensors, **more)  # type: ignore[operator]


AttentionInterface.register(IMPLEMENTATION, _attend)


def row_weights(
    query: Tensor,
    key: Tensor,
    mask: Tensor | None,
    positions: Tensor,
    *,
    scaling: float | None = None,
    softcap: float | None = None,
    causal: bool = True,
) -> Tensor:
    """Softmaxed attention of M rows (Eq. 5), in float32.

    Args:
        query: float[B, H, S, d].
        key: float[B, G, T, d], each of the G heads shared by H / G query heads.
        mask: bool (True: seen) or float (added), [B or 1, 1 or H, S, T]; None: causal or none.
        positions: int64[M], of the S.
        scaling: factor of the products; None: 1/√d.
        softcap: bound that the scores are squashed to.
        causal: whether a row sees no later position, where there is no mask.

    Returns:
        float32[B, H, M, T].

    Raises:
        RunError: a mask of another kind.
    """
    length, width = query.shape[2:]
    rows = query[:, :, positions].float().unflatten(1, (key.shape[1], -1))  # [B, G, H/G, M, d]
    scores = torch.einsum("bghmd,bgtd->bghmt", rows, key.float()).flatten(1, 2)
    scores = scores * (width**-0.5 if scaling is None else scaling)
    if softcap:
        scores = torch.tanh(scores / softcap) * softcap
    total = key.shape[2]
    if mask is None and causal:
        seen = torch.arange(total, device=key.device) <= (positions + total - length)[:, None]
        scores = scores.masked_fill(~seen, float("-inf"))
    elif mask is not None:
        if mask.dim() != 4:
            raise RunError("attention rows cannot be read under a mask of padding alone")
        own = mask[:, :, positions, :total]
        is_seen = own.dtype == torch.bool
        scores = scores.masked_fill(~own, -torch.inf) if is_seen else scores + own.float()
    return scores.softmax(dim=-1)
