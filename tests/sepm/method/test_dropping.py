"""Eq. (6) to (10) on numbers small enough to check by hand."""

import pytest
import torch

from sepm.method.dropping import lowest_scored, num_dropped, randomly_drawn, visual_token_scores


def test_half_of_four_tokens_dropped_are_the_two_lowest() -> None:
    assert lowest_scored([0.4, 0.1, 0.2, 0.3], 0.5) == (1, 2)


def test_zero_drop_ratio_drops_no_visual_token() -> None:
    assert lowest_scored([0.2, 0.1, 0.3], 0.0) == ()


def test_a_drop_ratio_below_one_token_drops_nothing() -> None:
    assert num_dropped(0.2, 4) == 0
    assert lowest_scored([0.4, 0.1, 0.2, 0.3], 0.24) == ()


def test_the_floor_is_the_one_that_floats_compute() -> None:
    assert num_dropped(0.29, 100) == 28  # 0.29 * 100 is 28.999999999999996


@pytest.mark.parametrize(
    ("beta", "tokens", "k"), [(0.1, 576, 57), (0.2, 576, 115), (0.1, 196, 19), (0.2, 196, 39)]
)
def test_the_papers_ratios_drop_the_known_numbers_of_tokens(beta, tokens, k) -> None:
    assert num_dropped(beta, tokens) == k


def test_among_equal_scores_the_lower_index_goes_first() -> None:
    assert lowest_scored([0.5, 0.1, 0.1, 0.1], 0.5) == (1, 2)


def test_dropped_indices_are_ascending_not_in_order_of_score() -> None:
    assert lowest_scored([0.2, 0.9, 0.1, 0.8], 0.5) == (0, 2)


def test_scores_are_the_mean_over_heads_then_over_rows() -> None:
    # B = 1, H = 2, M = 2, N = 2.
    attentions = torch.tensor([[[[0.2, 0.3], [0.6, 0.2]], [[0.4, 0.1], [0.0, 0.4]]]])
    assert visual_token_scores(attentions)[0].tolist() == pytest.approx(
        [(0.2 + 0.6 + 0.4 + 0) / 4, (0.3 + 0.2 + 0.1 + 0.4) / 4]
    )


def test_the_random_draw_depends_on_seed_and_question_id_alone() -> None:
    draw = randomly_drawn(64, 0.2, 0, "awe/awe_00002.jpg")
    assert draw == randomly_drawn(64, 0.2, 0, "awe/awe_00002.jpg")
    assert draw != randomly_drawn(64, 0.2, 1, "awe/awe_00002.jpg")
    assert draw != randomly_drawn(64, 0.2, 0, "awe/awe_00003.jpg")
    assert len(draw) == 12
    assert list(draw) == sorted(set(draw))


def test_a_larger_random_drop_drops_the_same_tokens_and_more() -> None:
    assert set(randomly_drawn(64, 0.1, 0, "x")) < set(randomly_drawn(64, 0.2, 0, "x"))
