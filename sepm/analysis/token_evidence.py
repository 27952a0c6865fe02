"""Evidence about an image, laid on its visual tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from sepm.datasets.evidence_maps import Boxes, Evidence, GreyMap, MarkedTokens
from sepm.records.geometry import TokenPlaces
from sepm.records.tiled_grid import PLACES_UNKNOWN

MOST_STRETCHED = 0.02
"""How far the sides of a map may differ from its image's in their ratio: rounding of a resize."""

Values = NDArray[np.float64]
Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, eq=False)
class TokenEvidence:
    """Evidence of an image on each of its visual tokens."""

    masses: Values
    """float64[N], 0 or more: the mean of the evidence over the token's place."""
    inside: NDArray[np.bool_] | None
    """bool[N], False for tokens that see padding alone; None: not known."""


def token_evidence(
    evidence: Evidence, places: TokenPlaces | None, num_tokens: int, size: Size | None
) -> TokenEvidence:
    """Evidence on each visual token; padding holds none.

    Args:
        evidence: of the image.
        places: of its tokens; None: not known, which only marked tokens do without.
        num_tokens: N where places are not known; 0: not known either.
        size: of the image; None: that of its map.

    Raises:
        ValueError: places or the image's size are needed and not known, the map has not the
            image's shape, or a marked token is not there.
    """
    if isinstance(evidence, GreyMap):
        height, width = evidence.values.shape
        size = size or (width, height)
        _require_shape((width, height), size)
    boxes = _boxes(places, size) if places and size else None
    inside = _overlap(boxes, (0, 0, *size)) > 0 if boxes is not None and size else None
    if isinstance(evidence, MarkedTokens):
        return TokenEvidence(_marked(evidence, places.num_tokens if places else num_tokens), inside)
    if places is None:
        raise ValueError(PLACES_UNKNOWN)
    if boxes is None or size is None:
        raise ValueError("boxes are in pixels of the image; name its folder with --image-folder")
    if isinstance(evidence, Boxes):
        held = sum((_overlap(boxes, astuple(b)) for b in evidence.boxes), np.zeros(len(boxes)))
    else:
        held = _integral(evidence.values, boxes, size)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return TokenEvidence(held / area, inside)


def _require_shape(of_map: Size, of_image: Size) -> None:
    """Raise ValueError unless the map has the shape of its image."""
    ratios = [width / height for width, height in (of_map, of_image)]
    if abs(ratios[0] / ratios[1] - 1) > MOST_STRETCHED:
        sizes = [f"{width} × {height}" for width, height in (of_map, of_image)]
        raise ValueError(f"a map of {sizes[0]} pixels is not of an image of {sizes[1]}")


def _marked(evidence: MarkedTokens, num_tokens: int) -> Values:
    """float64[N], 1 for the marked tokens."""
    if not num_tokens:
        raise ValueError("the number of the image's visual tokens is not known")
    for index in evidence.indices:
        if index >= num_tokens:
            raise ValueError(f"there is no visual token {index} among {num_tokens}")
    masses = np.zeros(num_tokens)
    masses[list(evidence.indices)] = 1
    return masses


@lru_cache(maxsize=256)
def _boxes(places: TokenPlaces, size: Size) -> Values:
    """float64[N, 4]: left, top, right, bottom of each token, in the image's pixels."""
    return np.array([places.rectangle(i, *size) for i in range(places.num_tokens)], dtype=float)


def _overlap(boxes: Values, other: Sequence[float]) -> Values:
    """Area that each box shares with another: float64[N]."""
    left, top = np.maximum(boxes[:, :2], other[:2]).T
    right, bottom = np.minimum(boxes[:, 2:], other[2:]).T
    return np.clip(right - left, 0, None) * np.clip(bottom - top, 0, None)


def _integral(values: Values, boxes: Values, size: Size) -> Values:
    """Sum of a map's pixels below each box, in the image's pixels: float64[N].

    A pixel's evidence is spread evenly over it, so that a box may cut it.
    """
    height, width = values.shape
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    scale = np.array([width / size[0], height / size[1]])
    edges = np.clip(boxes.reshape(-1, 2, 2) * scale, 0, (width, height))
    (left, top), (right, bottom) = edges[:, 0].T, edges[:, 1].T
    below = _between(sums, bottom, right) - _between(sums, bottom, left)
    above = _between(sums, top, right) - _between(sums, top, left)
    return np.clip(below - above, 0, None) / scale.prod()


def _between(sums: Values, y: Values, x: Values) -> Values:
    """Sums of all pixels above and left of points, which may lie within a pixel."""
    row = np.minimum(y.astype(int), sums.shape[0] - 2)
    column = np.minimum(x.astype(int), sums.shape[1] - 2)
    down, across = y - row, x - column
    upper = sums[row, column] * (1 - across) + sums[row, column + 1] * across
    lower = sums[row + 1, column] * (1 - across) + sums[row + 1, column + 1] * across
    return upper * (1 - down) + lower * down
