"""Which pixels a visual token has seen, checked by pixels: every patch has its own colour."""

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from llava.image import ImageProcessor
from sepm.records.geometry import OUTSIDE, Box, VisualGrid
from sepm.report.overlay import FADED, FADED_TO, faded, plain
from tests.sepm.hand_made import GRID

LLAVA = VisualGrid(24, 24, 336, 14, "pad", "row-major")
VILA = VisualGrid(14, 14, 384, 14, "resize", "column-major")
TINY = {"rows": 8, "columns": 8, "input_size": 112, "patch_size": 14, "order": "row-major"}
BIG = 3
"""The coloured square is this many times as large as the vision tower's input."""


def colours(rows: int, columns: int) -> NDArray[np.uint8]:
    """A colour for each cell, none twice, never black: uint8[rows, columns, 3]."""
    y, x = np.mgrid[:rows, :columns]
    channels = (30 + 220 * y // rows, 30 + 220 * x // columns, 60 + (y + x) % 2 * 120)
    return np.stack(channels, axis=-1).astype(np.uint8)


def painted(cells: NDArray[Any], cell: int) -> NDArray[Any]:
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)


def original_image(preprocessing: str, shape: Literal["landscape", "portrait"]) -> Image.Image:
    """An image that the preprocessing turns into one colour a patch (but where it is padding)."""
    square = painted(colours(8, 8), 14 * BIG)
    if preprocessing == "pad":
        pixels = square[50:-51]
    else:
        ends = np.zeros((len(square), 90, 3), dtype=np.uint8)
        pixels = np.concatenate([ends, square, ends], axis=1)
    return Image.fromarray(pixels if shape == "landscape" else pixels.swapaxes(0, 1).copy())


def patches_seen(image: Image.Image, aspect_ratio: str | None) -> NDArray[np.float64]:
    """The colour in the middle of each patch, as the vision tower gets it: [8, 8, 3] of 0..255."""
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 112}, crop_size={"height": 112, "width": 112}
    )
    pixels = ImageProcessor(processor, aspect_ratio)(image)
    mean, std = (np.array(v)[:, None, None] for v in (processor.image_mean, processor.image_std))
    return (255 * (pixels * std + mean))[:, 7::14, 7::14].transpose(1, 2, 0)


@pytest.mark.parametrize("shape", ["landscape", "portrait"])
@pytest.mark.parametrize(("preprocessing", "aspect_ratio"), [("pad", "pad"), ("crop", None)])
def test_a_token_s_rectangle_has_the_colour_that_its_patch_has_in_the_model_s_input(
    preprocessing: Any, aspect_ratio: str | None, shape: Any
) -> None:
    image = original_image(preprocessing, shape)
    grid = VisualGrid(preprocessing=preprocessing, **TINY)  # type: ignore[arg-type]
    seen, pixels = patches_seen(image, aspect_ratio), np.asarray(image)
    looked_at = 0
    for index in range(64):
        box = grid.rectangle(index, *image.size)
        left, right = max(0, box.left + 3), min(image.width, box.right - 3)
        top, bottom = max(0, box.top + 3), min(image.height, box.bottom - 3)
        if right - left < 30 or bottom - top < 30:
            continue  # padding, for the most part
        part = pixels[int(top) : int(bottom), int(left) : int(right)].reshape(-1, 3)
        assert len(np.unique(part, axis=0)) == 1
        assert np.abs(part[0] - seen[divmod(index, 8)]).max() < 2
        looked_at += 1
    assert looked_at == (64 if preprocessing == "crop" else 48)


@pytest.mark.parametrize("shape", [(500, 300), (300, 500)])
def test_vila_s_tokens_are_two_by_two_patches_counted_down_the_columns(
    shape: tuple[int, int],
) -> None:
    # Each patch's number, merged as VILA's projector does: a zero row and column, 2 × 2 blocks,
    # the outer index of the flattened result running over columns.
    numbers = np.zeros((28, 28), dtype=int)
    numbers[:27, :27] = 1 + np.arange(27 * 27).reshape(27, 27)
    tokens = [
        set(numbers[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel()) - {0}
        for column in range(14)
        for row in range(14)
    ]
    width, height = shape
    for index, patches in enumerate(tokens):
        box = VILA.rectangle(index, width, height)
        x, y = 384 / width, 384 / height
        inside = {
            1 + 27 * row + column
            for row in range(27)
            for column in range(27)
            if box.left * x < 14 * column + 7 < box.right * x
            and box.top * y < 14 * row + 7 < box.bottom * y
        }
        assert inside == patches


def test_the_token_after_the_first_lies_right_of_it_or_below_it() -> None:
    assert LLAVA.box(1) == Box(14, 0, 28, 14)
    assert VILA.box(1) == Box(0, 28, 28, 56)
    assert VILA.box(195) == Box(364, 364, 378, 378)  # the last one ends where the patches end


def test_padding_puts_tokens_outside_of_the_image() -> None:
    assert LLAVA.input_box(672, 336) == LLAVA.view(672, 336) == Box(0, -168, 672, 504)
    assert LLAVA.rectangle(0, 672, 336) == Box(0, -168, 28, -140)


def test_cropping_leaves_the_ends_of_an_image_unseen() -> None:
    grid = VisualGrid(2, 2, 28, 14, "crop", "row-major")
    assert grid.input_box(56, 28) == Box(14, 0, 42, 28)
    tokens = grid.token_map(56, 28)
    assert (tokens[:, :14] == OUTSIDE).all()
    assert (tokens[:, 42:] == OUTSIDE).all()
    assert tokens[0, [14, 27, 28, 41]].tolist() == [0, 0, 1, 1]


def test_stretching_keeps_every_token_on_the_image() -> None:
    assert VILA.rectangle(0, 768, 192) == Box(0, 0, 56, 14)
    tokens = VILA.token_map(768, 192)
    assert tokens[0, 0] == 0
    assert tokens[0, 56] == 14
    assert (tokens[:, 756:] == OUTSIDE).all()  # the last 6 of 384 columns make no whole patch


PADDED = VisualGrid(4, 4, 56, 14, "pad", "row-major")
STRETCHED = VisualGrid(4, 4, 56, 14, "resize", "column-major")


# 4 × 4 tokens of 10 × 10 pixels; of the padded square the image is rows 10 to 29.
@pytest.mark.parametrize(
    ("grid", "rows", "dropped", "faded_rows"),
    [
        (PADDED, 2, [0, 5, 6, 11], ["x...", ".xx.", "...x", "...."]),
        (STRETCHED, 4, [1, 4], [".x..", "x...", "....", "...."]),
    ],
)
def test_dropping_tokens_fades_exactly_their_pixels_whatever_their_order(
    grid: VisualGrid, rows: int, dropped: list[int], faded_rows: list[str]
) -> None:
    image = Image.fromarray(painted(colours(rows, 4), 10))
    before, after = plain(image, grid), faded(image, grid, dropped)
    expected = np.array([[cell == "x" for cell in row] for row in faded_rows])
    assert ((before != after).any(axis=-1) == painted(expected, 10)).all()
    y, x = 10 * np.argwhere(expected)[1] + 5
    inside = FADED * before[y, x] + (1 - FADED) * FADED_TO
    assert after[y, x].tolist() == inside.round().tolist()


def test_padding_is_striped_and_the_image_is_left_as_it_is() -> None:
    image = Image.fromarray(painted(colours(2, 4), 10))
    pixels = plain(image, PADDED)
    assert (pixels[10:30] == np.asarray(image)).all()
    assert set(np.unique(pixels[:10])) == {205, 235}


STORED = GRID | {"grid": [24, 24], "input_size": 336}


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (STORED | {"preprocessing": "tile"}, "expected one of pad, crop, resize, got 'tile'"),
        (STORED | {"grid": [25, 24]}, "25 tokens in a line do not tile 24 patches"),
        (STORED | {"patch_size": 0}, "visual_tokens"),
        (STORED | {"patch_size": -14}, "visual_tokens"),
        ({"grid": [24, 24]}, "visual_tokens"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(stored: dict[str, Any], said: str) -> None:
    assert VisualGrid.from_facts(STORED) == LLAVA
    with pytest.raises(ValueError, match=said):
        VisualGrid.from_facts(stored)


def test_an_index_that_is_no_token_is_refused() -> None:
    with pytest.raises(IndexError, match="visual token 576 of 576"):
        LLAVA.box(576)
