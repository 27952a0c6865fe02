"""Greedy decoding behind a prefill; generation settings of the checkpoint are never used."""

import copy
import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from sepm.errors import RunError


@dataclass(frozen=True)
class AutoPrefill:
    """One pass over B prompts, and what decoding goes on from."""

    logits: Tensor
    """float32[B, V], at the last position."""
    attentions: Tensor | None
    """float32[B, H, M, N'], from the rows asked for to the visual tokens shown."""
    cache: DynamicCache
    length: int
    """Tokens in the cache."""
    next_position: Tensor
    """int64[B], one behind the furthest."""
    position_parts: int | None
    """P numbers that a token's position has (M-RoPE); None: a single one."""
    window: int | None = None
    """Positions that a layer of sliding attention sees, where its masks count gaps; else None."""


@lru_cache
def cache_argument(kind: type[PreTrainedModel]) -> str:
    """Name of a forward pass's argument for the KV cache, which transformers 5.24 changed."""
    known = inspect.signature(kind.forward).parameters
    return "cache" if "cache" in known else "past_key_values"


def rows_of_cache(cache: DynamicCache, rows: Tensor) -> DynamicCache:
    """Cache of some rows; the one that it is taken from stays as it is."""
    own = copy.copy(cache)
    own.layers = [copy.copy(layer) for layer in cache.layers]
    own.batch_select_indices(rows)
    return own


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    prefill: AutoPrefill,
    rows: Sequence[int],
    max_new_tokens: int,
    end_ids: Collection[int],
) -> list[list[int]]:
    """Greedy ids of the answers of some of a prefill's B rows, without the id that ends each.

    Raises:
        RunError: the answer goes on behind a window of positions with gaps. transformers counts the
            tokens in the cache there, and the prefill counted positions.
    """
    device = prefill.logits.device
    chosen = torch.tensor(list(rows), device=device)
    cache = rows_of_cache(prefill.cache, chosen)
    tokens = [prefill.logits[chosen].argmax(dim=-1)]
    ends = torch.tensor(sorted(end_ids), device=device)
    ended = torch.isin(tokens[0], ends)
    positions = prefill.next_position[chosen]
    while len(tokens) < max_new_tokens and not bool(ended.all()):
        seen = prefill.length + len(tokens)
        if prefill.window is not None and int(positions.max()) >= prefill.window:
            raise RunError(
                f"an answer behind {prefill.window} positions, a window of the model's sliding "
                "attention, cannot be decoded with --positions kept; take renumbered ones"
            )
        step, parts = positions[:, None], prefill.position_parts
        output: Any = model(
            input_ids=tokens[-1][:, None],
            attention_mask=torch.ones(len(chosen), seen, dtype=torch.long, device=device),
            position_ids=step if parts is None else step.expand(parts, -1, -1),
            use_cache=True,
            logits_to_keep=1,
            **{cache_argument(type(model)): cache},
        )
        tokens.append(output.logits[:, -1].argmax(dim=-1))
        ended |= torch.isin(tokens[-1], ends)
        positions = positions + 1
    answers = torch.stack(tokens, dim=1).tolist()
    return [list(takewhile(lambda token: token not in end_ids, ids)) for ids in answers]
