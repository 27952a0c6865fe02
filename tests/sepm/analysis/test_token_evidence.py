"""Evidence on visual tokens, against sums over pixels drawn so fine that no edge cuts one."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sepm.analysis.token_evidence import token_evidence
from sepm.datasets.evidence_maps import Boxes, GreyMap, MarkedTokens, PixelBox
from sepm.records.geometry import TokenPlaces, VisualGrid
from sepm.records.tiled_grid import TiledGrid

PADDED = VisualGrid(4, 4, 56, 14, "pad", "row-major")
PLACES: dict[str, TokenPlaces] = {
    "padded": PADDED,
    "cropped": VisualGrid(4, 4, 56, 14, "crop", "row-major"),
    "column by column": VisualGrid(2, 2, 42, 14, "resize", "column-major"),
    "tiles and thumbnail": TiledGrid.from_record(
        [[2, 2, 0.0, 0.0, 0.5, 1.0], [2, 2, 0.5, 0.0, 1.0, 1.0], [2, 2, 0.0, 0.0, 1.0, 1.0]]
    ),
    "beyond the image": TiledGrid.from_record([[2, 2, -0.25, 0.0, 1.25, 1.0]]),
}
WIDTH, HEIGHT, FINE = 12, 8, 21
"""FINE: so many steps to a pixel let every edge above fall between two of them."""


def values() -> NDArray[np.float64]:
    return np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH)).astype(float)


def summed_pixel_by_pixel(pixels: NDArray[Any], places: TokenPlaces) -> list[float]:
    """The mean over each token's rectangle of an image with a wide margin of zeros."""
    fine = np.pad(pixels.repeat(FINE, axis=0).repeat(FINE, axis=1), WIDTH * FINE)
    means = []
    for index in range(places.num_tokens):
        box = places.rectangle(index, WIDTH, HEIGHT)
        left, top, right, bottom = (round((edge + WIDTH) * FINE) for edge in box)
        means.append(fine[top:bottom, left:right].mean())
    return means


@pytest.mark.parametrize("name", PLACES)
def test_a_maps_evidence_is_its_mean_over_each_tokens_place(name: str) -> None:
    pixels = values()
    found = token_evidence(GreyMap(pixels), PLACES[name], 0, None)
    np.testing.assert_allclose(found.masses, summed_pixel_by_pixel(pixels, PLACES[name]), rtol=1e-2)


def test_evidence_of_a_padded_image_by_hand() -> None:
    pixels = np.zeros((8, 16))
    pixels[0:4, 0:4] = 100  # 4 rows of padding above: token 4, and nothing else
    pixels[7, 15] = 32  # a pixel of the 16 of token 11
    found = token_evidence(GreyMap(pixels), PADDED, 0, None)
    assert found.masses.tolist() == [0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert found.inside is not None
    assert found.inside.tolist() == [False] * 4 + [True] * 8 + [False] * 4


@pytest.mark.parametrize("name", PLACES)
def test_boxes_are_the_map_that_one_draws_of_them(name: str) -> None:
    boxes = Boxes((PixelBox(1, 2, 7, 8), PixelBox(5, 0, 12, 6)))
    drawn = np.zeros((HEIGHT, WIDTH))
    drawn[2:8, 1:7] += 1
    drawn[0:6, 5:12] += 1
    of_boxes = token_evidence(boxes, PLACES[name], 0, (WIDTH, HEIGHT))
    of_map = token_evidence(GreyMap(drawn), PLACES[name], 0, None)
    np.testing.assert_allclose(of_boxes.masses, of_map.masses, atol=1e-9)


def test_where_boxes_lie_over_each_other_their_evidence_adds_up() -> None:
    box = PixelBox(0, 0, 14, 14)
    found = token_evidence(Boxes((box, box)), PADDED, 0, (56, 56))
    assert found.masses.tolist() == [2] + [0] * 15


def test_a_map_of_another_size_tells_the_same() -> None:
    pixels = values()
    small = token_evidence(GreyMap(pixels), PADDED, 0, None)
    large = token_evidence(
        GreyMap(pixels.repeat(3, axis=0).repeat(3, axis=1)), PADDED, 0, (WIDTH, HEIGHT)
    )
    np.testing.assert_allclose(large.masses, small.masses)


def test_marked_tokens_weigh_the_same_wherever_they_lie() -> None:
    found = token_evidence(MarkedTokens((1, 3)), None, 4, None)
    assert found.masses.tolist() == [0, 1, 0, 1]
    assert found.inside is None


@pytest.mark.parametrize(
    ("evidence", "places", "num_tokens", "size", "said"),
    [
        (GreyMap(np.ones((8, 12))), PADDED, 0, (8, 12), "12 × 8 pixels is not of an image of 8 ×"),
        (GreyMap(np.ones((8, 12))), None, 16, None, "places of this model's visual tokens"),
        (Boxes((PixelBox(0, 0, 1, 1),)), PADDED, 0, None, "--image-folder"),
        (MarkedTokens((16,)), PADDED, 0, None, "no visual token 16 among 16"),
        (MarkedTokens((1,)), None, 0, None, "number of the image's visual tokens is not known"),
    ],
)
def test_what_cannot_be_laid_on_tokens_is_refused(
    evidence: Any, places: Any, num_tokens: int, size: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        token_evidence(evidence, places, num_tokens, size)
