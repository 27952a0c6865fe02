"""Places of visual tokens on an image: tiles of tokens, each over a rectangle of it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Tile = tuple[int, int, float, float, float, float]
"""Rows and columns of tokens, row by row; left, top, right, bottom as shares of width and height.

What lies below 0 or above 1 is beyond the image.
"""
Tiles = tuple[Tile, ...]

WHOLE = (0.0, 0.0, 1.0, 1.0)


def tiles_of(
    image_processor: Any, arrays: Mapping[str, np.ndarray], num_tokens: int, size: tuple[int, int]
) -> Tiles | None:
    """Tiles of an image's visual tokens in their order; None where they are not known.

    Known are grids of merged patches over the whole image (Qwen, GLM, Mistral 3), square tiles with
    a thumbnail (InternVL), and one square (Gemma 3, PaliGemma, LLaVA).

    Args:
        image_processor: made the arrays.
        arrays: arguments of the model about the image.
        num_tokens: N.
        size: width and height of the image, in pixels.
    """
    if "image_grid_thw" in arrays:
        return _merged_grid(image_processor, arrays["image_grid_thw"][0], num_tokens)
    pixels = arrays.get("pixel_values")
    if pixels is None or pixels.ndim != 4:
        return None
    if getattr(image_processor, "crop_to_patches", None) is not None:
        return _square_tiles(image_processor, len(pixels), num_tokens, size)
    if "image_sizes" in arrays:
        return _proportional(pixels, arrays["image_sizes"][0], num_tokens)
    return _one_square(image_processor, pixels, num_tokens, size)


def _merged_grid(image_processor: Any, grid: np.ndarray, num_tokens: int) -> Tiles | None:
    """The grid of a resized image, `merge_size` patches a side becoming one token."""
    merge = int(image_processor.merge_size)
    rows, columns = int(grid[1]) // merge, int(grid[2]) // merge
    return ((rows, columns, *WHOLE),) if rows * columns == num_tokens else None


def _square_tiles(
    image_processor: Any, count: int, num_tokens: int, size: tuple[int, int]
) -> Tiles | None:
    """Tiles row by row over the resized image, and where there are several a thumbnail of it."""
    from transformers.models.got_ocr2 import image_processing_pil_got_ocr2 as got_ocr2

    side = math.isqrt(num_tokens // count)
    if side * side * count != num_tokens:
        return None
    if count == 1:
        return ((side, side, *WHOLE),)
    tile = image_processor.size
    columns, rows = got_ocr2.get_optimal_tiled_canvas(
        (size[1], size[0]),
        (tile["height"], tile["width"]),
        image_processor.min_patches,
        image_processor.max_patches,
    )
    thumbnail = count - rows * columns
    if thumbnail not in (0, 1):
        return None
    tiles = [
        (side, side, x / columns, y / rows, (x + 1) / columns, (y + 1) / rows)
        for y in range(rows)
        for x in range(columns)
    ]
    return (*tiles, (side, side, *WHOLE)) if thumbnail else tuple(tiles)


def _proportional(pixels: np.ndarray, resized: np.ndarray, num_tokens: int) -> Tiles | None:
    """One grid over the whole of an image that was resized (height, width) to whole tokens."""
    if len(pixels) != 1 or pixels.shape[2:] != tuple(resized):
        return None
    height, width = map(int, resized)
    side = math.isqrt(height * width // num_tokens)  # pixels of a token
    rows, columns = height // side, width // side
    fits = rows * columns == num_tokens and (rows * side, columns * side) == (height, width)
    return ((rows, columns, *WHOLE),) if fits else None


def _one_square(
    image_processor: Any, pixels: np.ndarray, num_tokens: int, size: tuple[int, int]
) -> Tiles | None:
    """A square of tokens, over the whole image or the square that was cut from its middle."""
    side = math.isqrt(num_tokens)
    if len(pixels) != 1 or side * side != num_tokens or pixels.shape[2] != pixels.shape[3]:
        return None
    wanted = dict(image_processor.size)
    if "shortest_edge" not in wanted:
        return ((side, side, *WHOLE),)
    if not image_processor.do_center_crop:
        return None
    short, edge = min(size), int(wanted["shortest_edge"])
    shares = [pixels.shape[2] / (edge * length // short) for length in size]
    margins = [(1 - share) / 2 for share in shares]
    (left, top), (right, bottom) = margins, [1 - margin for margin in margins]
    return ((side, side, left, top, right, bottom),)
