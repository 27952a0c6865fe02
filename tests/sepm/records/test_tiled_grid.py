"""Places of tokens where each image has its own, hand-checked, and the pictures made of them."""

import numpy as np
import pytest
from PIL import Image

from sepm.records.geometry import OUTSIDE, Box
from sepm.records.tiled_grid import TiledGrid, dropped_in_words, token_places
from sepm.report.overlay import faded, plain
from tests.sepm.hand_made import GRID, INTERNVL

QWEN = TiledGrid.from_record([[5, 8, 0, 0, 1, 1]])
CROPPED = TiledGrid.from_record([[2, 2, 0.25, 0, 0.75, 1]])
"""LLaVA's square from the middle of an image twice as wide as high."""
FOUR = TiledGrid.from_record(
    [[2, 2, x / 2, y / 2, (x + 1) / 2, (y + 1) / 2] for y in (0, 1) for x in (0, 1)]
    + [[2, 2, 0, 0, 1, 1]]
)
"""InternVL's 2 × 2 tiles of 2 × 2 tokens, and the thumbnail."""


def test_tokens_of_one_grid_lie_row_by_row_over_the_whole_image() -> None:
    assert QWEN.num_tokens == 40
    assert QWEN.rectangle(0, 800, 500) == Box(0, 0, 100, 100)
    assert QWEN.rectangle(7, 800, 500) == Box(700, 0, 800, 100)
    assert QWEN.rectangle(8, 800, 500) == Box(0, 100, 100, 200)
    assert QWEN.rectangle(39, 800, 500) == Box(700, 400, 800, 500)
    tokens = QWEN.token_map(16, 10)
    assert (tokens == np.arange(40).reshape(5, 8).repeat(2, axis=0).repeat(2, axis=1)).all()


def test_tokens_of_tiles_are_counted_tile_by_tile() -> None:
    assert FOUR.num_tokens == 20
    assert FOUR.rectangle(1, 80, 40) == Box(20, 0, 40, 10)  # first tile, right of its first token
    assert FOUR.rectangle(4, 80, 40) == Box(40, 0, 60, 10)  # the tile to the right
    assert FOUR.rectangle(8, 80, 40) == Box(0, 20, 20, 30)  # the tile below the first
    assert FOUR.token_map(4, 4).tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]


def test_the_thumbnail_is_a_cover_of_its_own_and_none_of_its_tokens_is_lost() -> None:
    tiles, thumbnail = FOUR.covers
    assert (tiles.name, list(tiles.tokens)) == ("tiles", list(range(16)))
    assert (thumbnail.name, list(thumbnail.tokens)) == ("thumbnail", [16, 17, 18, 19])
    assert FOUR.rectangle(17, 80, 40) == Box(40, 0, 80, 20)
    assert FOUR.token_map(2, 2, cover=1).tolist() == [[16, 17], [18, 19]]
    assert [cover.dropped_of_all([0, 5, 18]) for cover in FOUR.covers] == ["2 of 16", "1 of 4"]
    assert [cover.name for cover in QWEN.covers] == ["image"]


def test_a_thumbnail_before_its_tiles_is_still_the_second_cover() -> None:
    turned = TiledGrid((FOUR.tiles[-1], *FOUR.tiles[:-1]))
    assert [(c.name, c.tokens[0]) for c in turned.covers] == [("tiles", 4), ("thumbnail", 0)]
    assert [numbers[:2] for numbers in turned.numbered] == [
        (0, 4),
        (0, 8),
        (0, 12),
        (0, 16),
        (1, 0),
    ]


def test_dropped_tokens_of_each_cover_are_faded_on_its_own_picture() -> None:
    image = Image.new("RGB", (40, 40), (10, 120, 40))
    changed = [
        (faded(image, FOUR, [0, 13, 17], cover) != plain(image, FOUR)).any(axis=-1)
        for cover in (0, 1)
    ]
    assert changed[0].sum() == 2 * 10 * 10
    assert changed[0][5, 5]
    assert changed[0][25, 35]
    assert changed[1].sum() == 20 * 20
    assert changed[1][5, 35]


def test_what_a_centre_crop_leaves_out_is_seen_by_no_token() -> None:
    assert CROPPED.rectangle(0, 80, 40) == Box(20, 0, 40, 20)
    assert CROPPED.rectangle(3, 80, 40) == Box(40, 20, 60, 40)
    assert CROPPED.view(80, 40) == Box(0, 0, 80, 40)
    tokens = CROPPED.token_map(8, 4)
    assert (tokens[:, [0, 1, 6, 7]] == OUTSIDE).all()
    assert tokens[:, 2:6].tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2
    image = Image.new("RGB", (80, 40), (10, 120, 40))
    unseen = (plain(image, CROPPED) != np.asarray(image)).any(axis=-1)
    assert unseen[:, [*range(20), *range(60, 80)]].all()
    assert not unseen[:, 20:60].any()


def test_a_tile_beyond_the_image_widens_the_view_by_at_most_the_image_itself() -> None:
    beyond = TiledGrid.from_record([[2, 2, -0.25, 0, 1.25, 1]])
    assert beyond.view(80, 40) == Box(-20, 0, 100, 40)
    far = TiledGrid.from_record([[2, 2, -1e6, 0, 1, 1e6]])
    assert far.view(80, 40) == Box(-80, 0, 80, 80)


def test_an_index_that_is_no_token_is_refused() -> None:
    with pytest.raises(IndexError, match="visual token 20 of 20"):
        FOUR.rectangle(20, 80, 40)


def test_a_record_s_own_tiles_go_before_the_run_s_grid() -> None:
    found = token_places(GRID, {"tiles": INTERNVL})
    assert isinstance(found, TiledGrid)
    assert found.num_tokens == 16
    assert token_places(GRID, {}) is not None
    assert token_places(None, {"num_visual_tokens": 16}) is None


def test_dropped_tokens_are_counted_of_the_image_s_own_number_as_far_as_it_is_known() -> None:
    assert dropped_in_words([1, 2], {}, QWEN) == "2 of 40 tokens dropped"
    assert dropped_in_words([1], {"num_visual_tokens": 9}, None) == "1 of 9 tokens dropped"
    assert dropped_in_words([1], {"foe_scores": [0.1] * 8}, None) == "1 of 8 tokens dropped"
    assert dropped_in_words([1], {}, None) == "1 tokens dropped"
