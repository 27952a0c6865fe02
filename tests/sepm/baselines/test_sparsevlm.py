"""SparseVLM's decisions on numbers that can be followed by hand."""

import math

import pytest
import torch

from sepm.baselines.sparsevlm import (
    kept_and_recycled,
    num_kept,
    num_merged,
    num_recycled,
    reduced,
    text_raters,
)
from sepm.baselines.sparsevlm_settings import SparseVLMSettings

FIXED = SparseVLMSettings("1.5", 192, (2, 6, 15))


def rank_adaptive(retain: int) -> SparseVLMSettings:
    return SparseVLMSettings("1", retain, (2, 6, 15, 19))


def of_rank_two(num_tokens: int) -> torch.Tensor:
    """The attention of three raters, the third's the mean of the others'."""
    first = torch.linspace(0.1, 0.2, num_tokens)
    second = torch.linspace(0.3, 0.1, num_tokens) ** 2
    return torch.stack([first, second, (first + second) / 2])


def test_raters_are_the_text_tokens_with_more_than_the_mean_share_of_the_image() -> None:
    # Shares 3/7, 1/7, 2/7, 1/7 against a mean of 1/4.
    text = torch.tensor([[math.log(3)], [0.0], [math.log(2)], [0.0]])
    assert text_raters(torch.tensor([[1.0]]), text).tolist() == [0, 2]


def test_every_visual_token_has_the_same_say() -> None:
    # Shares of the first text token: .99, .2, .2, mean .46. Its dot products add up to more than 0,
    # and shared out among visual tokens both text tokens would have the same.
    visual = torch.tensor([[math.log(99)], [-math.log(4)], [-math.log(4)]])
    assert text_raters(visual, torch.tensor([[1.0], [0.0]])).tolist() == [1]


def test_where_all_shares_are_equal_every_text_token_rates() -> None:
    assert text_raters(torch.ones(3, 2), torch.ones(4, 2)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("layer", "kept"), [(2, 300), (6, 200), (15, 110)])
def test_version_1_5_keeps_its_budget_at_each_layer(layer: int, kept: int) -> None:
    assert num_kept(FIXED, layer, torch.rand(5, 576)) == kept


def test_a_budget_that_is_no_less_than_the_image_drops_one_token() -> None:
    assert num_kept(FIXED, 2, torch.rand(5, 300)) == 299


@pytest.mark.parametrize(("retain", "kept"), [(192, 27), (128, 24), (64, 1)])
def test_version_1_keeps_what_the_rank_says(retain: int, kept: int) -> None:
    # Rank 2: 13.5 × 2, 9 × 2 + 6, and 0.8 × 2 rounded down.
    assert num_kept(rank_adaptive(retain), 2, of_rank_two(50)) == kept


def test_version_1_drops_at_least_one_token() -> None:
    assert num_kept(rank_adaptive(192), 2, of_rank_two(27)) == 26


def test_version_1_leaves_an_image_alone_whose_attention_has_full_rank() -> None:
    assert num_kept(rank_adaptive(192), 2, torch.eye(3)) is None


@pytest.mark.parametrize(("dropped", "recycled", "merged"), [(1, 1, 1), (94, 29, 3), (276, 83, 9)])
def test_a_third_of_the_dropped_is_merged_ten_to_one(
    dropped: int, recycled: int, merged: int
) -> None:
    assert num_recycled(dropped) == recycled
    assert num_merged(recycled) == merged


def test_the_highest_scored_stay_in_their_order_and_the_next_are_recycled() -> None:
    kept, recycled = kept_and_recycled(torch.tensor([0.1, 0.5, 0.2, 0.6, 0.3, 0.0]), 2)
    assert kept.tolist() == [1, 3]
    assert recycled.tolist() == [4, 2]


def test_among_equal_scores_the_lower_index_stays() -> None:
    kept, recycled = kept_and_recycled(torch.full((5,), 0.2), 3)
    assert kept.tolist() == [0, 1, 2]
    assert recycled.tolist() == [3]


def test_a_token_scores_the_mean_over_raters_and_merged_tokens_come_last() -> None:
    tokens = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    attention = torch.tensor([[0.1, 0.4, 0.0, 0.1], [0.1, 0.0, 0.3, 0.5]])  # means .1 .2 .15 .3
    assert reduced(tokens, attention, 2).flatten().tolist() == [2.0, 8.0, 4.0]
    assert reduced(tokens, attention, 1).flatten().tolist() == [8.0, 2.0]
