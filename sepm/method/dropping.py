"""Dropping of visual tokens by their significance to the emotion (section 3.3, Eq. 6-10)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def visual_token_scores(attentions: Tensor) -> Tensor:
    """Mean attention that the query rows pay to each visual token (Eq. 6, 8).

    Args:
        attentions: float32[B, H, M, N], softmaxed attention of M text rows over the sequence,
            taken at the N visual tokens (Eq. 5).

    Returns:
        float32[B, N], in [0, 1]; the mean over heads, then over rows.
    """
    return attentions.mean(dim=1).mean(dim=1)  # [B, M, N] -> [B, N]


def num_dropped(drop_ratio: float, num_tokens: int) -> int:
    """K = floor(β × N) as floats compute it (Eq. 9): floor(0.29 × 100) is 28."""
    return math.floor(drop_ratio * num_tokens)


def lowest_scored(scores: Sequence[float], drop_ratio: float) -> tuple[int, ...]:
    """Indices of the floor(β × N) visual tokens with the lowest scores, ascending (Eq. 9).

    Args:
        scores: one per visual token; among equal scores the lower index goes first.
        drop_ratio: β in [0, 1).
    """
    by_score = sorted(range(len(scores)), key=scores.__getitem__)
    return tuple(sorted(by_score[: num_dropped(drop_ratio, len(scores))]))


def highest_scored(scores: Sequence[float], drop_ratio: float) -> tuple[int, ...]:
    """Indices of as many visual tokens with the highest scores, ascending: Eq. 9 upside down.

    A control: where the scores say what matters, a method without it does worst. Arguments and ties
    are those of `lowest_scored`.
    """
    return lowest_scored([-score for score in scores], drop_ratio)


def randomly_drawn(num_tokens: int, drop_ratio: float, seed: int, key: str) -> tuple[int, ...]:
    """Indices of floor(β × N) visual tokens drawn by chance, ascending (Table 2, "Random").

    The draw depends on the seed and the question id alone, and a larger β drops the same tokens and
    more.

    Args:
        num_tokens: N.
        drop_ratio: β in [0, 1).
        seed: seed of the whole run.
        key: question id.
    """
    order = random.Random(f"{seed}/{key}").sample(range(num_tokens), num_tokens)
    return tuple(sorted(order[: num_dropped(drop_ratio, num_tokens)]))
