"""An image with its visual tokens drawn over it, pixel by pixel."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from numpy.typing import NDArray
from PIL import Image

from sepm.records.geometry import OUTSIDE, TokenPlaces

Pixels = NDArray[np.uint8]
"""uint8[height, width, 3], RGB, of the view of an image."""

LONGEST_SIDE = 640
"""Larger images are shrunk before they are drawn."""

SCORE_COLORS = "cividis"
SCORE_OPACITY = 0.65
LEAST_SHARE = 1e-4
TINY = 1e-30
"""Stands for the highest score where all are 0."""
FADED = 0.12
"""Share that is left of a dropped token's colours."""
FADED_TO, EDGE = 238, 150
STRIPES = (205, 235)
"""Greys of the padding, which is no part of the image."""
STRIPE_WIDTHS = 80
"""Widths of a stripe in a view's longer side."""


def shrunk(image: Image.Image, longest_side: int = LONGEST_SIDE) -> Image.Image:
    """The image, no longer than that; one that is not is returned as it is."""
    scale = longest_side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def plain(image: Image.Image, places: TokenPlaces | None, cover: int = 0) -> Pixels:
    """The image, with its padding striped and what no token of a cover sees half striped.

    Where places are not known it is the image alone.
    """
    if places is None:
        return np.asarray(image.convert("RGB"))
    view = places.view(*image.size)
    pixels = _stripes(int(view.width), int(view.height))
    left, top = int(-view.left), int(-view.top)
    inside = pixels[top : top + image.height, left : left + image.width]
    inside[:] = np.asarray(image.convert("RGB"))
    unseen = places.token_map(*image.size, cover) == OUTSIDE
    return np.where(unseen[..., None], pixels // 2 + _stripes(*pixels.shape[1::-1]) // 2, pixels)


def faded(
    image: Image.Image, places: TokenPlaces, dropped: Sequence[int], cover: int = 0
) -> Pixels:
    """The image with the pixels of a cover's dropped tokens, and no others, faded and edged."""
    pixels, tokens = plain(image, places, cover), places.token_map(*image.size, cover)
    gone = np.isin(tokens, np.asarray(dropped, dtype=tokens.dtype))
    pale = FADED * pixels + (1 - FADED) * FADED_TO
    pixels = np.where(gone[..., None], pale.round().astype(np.uint8), pixels)
    pixels[gone & _borders(tokens)] = EDGE
    return pixels


def heat_map(
    image: Image.Image, places: TokenPlaces, scores: Sequence[float], scale: LogNorm, cover: int = 0
) -> Pixels:
    """The image in grey under the colours that a cover's scores have on a scale."""
    pixels, tokens = plain(image, places, cover), places.token_map(*image.size, cover)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=float)[..., None]
    colors = 255 * colormaps[SCORE_COLORS](scale(np.asarray(scores)))[:, :3]
    blended = SCORE_OPACITY * colors[tokens] + (1 - SCORE_OPACITY) * grey
    return np.where((tokens == OUTSIDE)[..., None], pixels, blended.round().astype(np.uint8))


def score_scale(scores: Iterable[Sequence[float]]) -> LogNorm:
    """The logarithmic scale that the scores of all images of a figure are coloured by.

    It goes from their lowest to their highest, so that images can be compared.

    Attention piles up on few tokens; on a linear scale all the others, which are the ones that are
    dropped, would look alike. Scores below `LEAST_SHARE` of the highest get the lowest colour.
    """
    every = [score for of_image in scores for score in of_image]
    high = max(*every, TINY)
    return LogNorm(max(min(every), LEAST_SHARE * high), high, clip=True)


def _stripes(width: int, height: int) -> Pixels:
    """Diagonal stripes of two greys."""
    stripe = max(1, max(width, height) // STRIPE_WIDTHS)
    odd = (np.add.outer(np.arange(height), np.arange(width)) // stripe) % 2
    return np.repeat(np.array(STRIPES, dtype=np.uint8)[odd][..., None], 3, axis=2)


def _borders(tokens: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels whose left or upper neighbour belongs to another token."""
    borders = np.zeros(tokens.shape, dtype=bool)
    borders[1:] |= tokens[1:] != tokens[:-1]
    borders[:, 1:] |= tokens[:, 1:] != tokens[:, :-1]
    return borders
