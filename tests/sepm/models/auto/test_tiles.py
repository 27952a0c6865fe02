"""Each visual token of a family sees the part of the image that its tile says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sepm.records.tiled_grid import TiledGrid

PLACED = (
    *("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v", "mistral3"),
    *("internvl", "gemma3", "paligemma", "llava"),
)
LANDSCAPE = (96, 64)


def features(model: Any, pixels: NDArray[np.uint8]) -> torch.Tensor:
    """The language model's input float[N, D] for an image."""
    (encoded,) = model.encode([model.preprocess(Image.fromarray(pixels))])
    output = encoded.features.pooler_output
    joined = output if isinstance(output, torch.Tensor) else torch.cat(list(output))
    return joined.reshape(encoded.num_tokens, -1)


def tiles(model: Any, size: tuple[int, int]) -> Sequence[Sequence[float]] | None:
    return model.encode([model.preprocess(Image.new("RGB", size))])[0].tiles


@pytest.mark.parametrize("size", [LANDSCAPE, LANDSCAPE[::-1]], ids=["landscape", "portrait"])
@pytest.mark.parametrize("name", PLACED)
def test_pixels_of_a_token_s_rectangle_change_that_token_most(
    open_family: Any, name: str, size: tuple[int, int]
) -> None:
    model = open_family(name).model
    stored = tiles(model, size)
    assert stored is not None
    grid, noise = TiledGrid.from_record(stored), np.random.default_rng(0)
    width, height = size
    grey = np.full((height, width, 3), 128, dtype=np.uint8)
    before = features(model, grey)
    assert len(before) == grid.num_tokens
    for cover in grid.covers:
        for index in cover.tokens:
            left, top, right, bottom = (round(edge) for edge in grid.rectangle(index, *size))
            pixels = grey.copy()
            patch = pixels[top:bottom, left:right]
            patch[:] = noise.integers(0, 256, patch.shape)
            changes = (features(model, pixels) - before).norm(dim=1)
            assert max(cover.tokens, key=lambda token: changes[token]) == index


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen2_5_vl", [(6, 9, 0, 0, 1, 1)]),
        (
            "internvl",
            [(4, 4, x / 2, y / 2, (x + 1) / 2, (y + 1) / 2) for y in (0, 1) for x in (0, 1)]
            + [(4, 4, 0, 0, 1, 1)],
        ),
        ("gemma3", [(4, 4, 0, 0, 1, 1)]),
        ("llava", [(7, 7, 1 / 6, 0, 5 / 6, 1)]),
    ],
)
def test_tiles_of_a_landscape(open_family: Any, name: str, expected: Any) -> None:
    found = tiles(open_family(name).model, LANDSCAPE)
    assert found is not None
    assert [tuple(tile) for tile in found] == [pytest.approx(tile) for tile in expected]
