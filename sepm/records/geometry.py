"""Geometry of visual tokens: the part of an image that each of them has seen.

`TokenPlaces` is what pictures ask for. A `VisualGrid` is one for all images of a run, in two steps,
so that a page can do the second by itself: a token's box inside the square that enters the vision
tower (the same for every image), and that square's place on an image of a given size. Where each
image has its own tokens, see `tiled_grid`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Preprocessing = Literal["pad", "crop", "resize"]
Order = Literal["row-major", "column-major"]

OUTSIDE = -1
"""Value of pixels that no visual token has seen."""


class Box(NamedTuple):
    """A rectangle; x grows to the right, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


class Cover(NamedTuple):
    """Visual tokens that lie beside each other: no two of them see one place."""

    name: str
    """The field's word for it, in pictures."""
    tokens: Sequence[int]

    def dropped_of_all(self, dropped: Sequence[int]) -> str:
        """How many of its tokens are among those that are dropped, in words."""
        return f"{len(set(dropped).intersection(self.tokens))} of {len(self.tokens)}"


class TokenPlaces(ABC):
    """Places of N visual tokens on an image."""

    @property
    @abstractmethod
    def num_tokens(self) -> int:
        """N, how many visual tokens there are."""

    @cached_property
    def covers(self) -> tuple[Cover, ...]:
        """All tokens, each in one cover; there is always one."""
        return (Cover("image", range(self.num_tokens)),)

    @abstractmethod
    def rectangle(self, index: int, width: int, height: int) -> Box:
        """A visual token's rectangle on an image of that size, in the image's own pixels.

        It may lie outside of the image, in part or as a whole.

        Raises:
            IndexError: no such token.
        """

    @abstractmethod
    def view(self, width: int, height: int) -> Box:
        """The part of the plane worth drawing, in whole pixels: the image, with its padding."""

    def token_map(self, width: int, height: int, cover: int = 0) -> NDArray[np.int32]:
        """The visual token that each pixel's centre belongs to; `OUTSIDE` where there is none.

        Args:
            width: of the image.
            height: of the image.
            cover: the number of the cover whose tokens are meant.

        Returns:
            int32[height, width] of the `view` of an image of that size.
        """
        view = self.view(width, height)
        tokens = np.full((int(view.height), int(view.width)), OUTSIDE, dtype=np.int32)
        xs = np.arange(view.left, view.right) + 0.5
        ys = np.arange(view.top, view.bottom) + 0.5
        for index in self.covers[cover].tokens:
            box = self.rectangle(index, width, height)
            left, right = np.searchsorted(xs, (box.left, box.right))
            top, bottom = np.searchsorted(ys, (box.top, box.bottom))
            tokens[top:bottom, left:right] = index
        return tokens


@dataclass(frozen=True)
class VisualGrid(TokenPlaces):
    """Grid of visual tokens over a model's input.

    Raises:
        ValueError: unknown preprocessing or order, or more rows or columns than patches.
    """

    rows: int
    columns: int
    input_size: int
    """Height and width of the vision tower's input, in pixels."""
    patch_size: int
    """Pixels; those beyond the last whole patch are seen by no token."""
    preprocessing: Preprocessing
    """To a square by padding, by cropping the longer side's ends, or by stretching."""
    order: Order
    """Whether token 1 lies right of token 0 (row-major) or below it (column-major, VILA)."""

    def __post_init__(self) -> None:
        for value, choices in ((self.preprocessing, Preprocessing), (self.order, Order)):
            if value not in get_args(choices):
                raise ValueError(f"expected one of {', '.join(get_args(choices))}, got {value!r}")
        if self.patch_size < 1:
            raise ValueError(f"visual_tokens: no such patch size: {self.patch_size}")
        for places in (self.rows, self.columns):
            if not 0 < places <= self.patches or -(-self.patches // self._merged(places)) != places:
                raise ValueError(f"{places} tokens in a line do not tile {self.patches} patches")

    @classmethod
    def from_facts(cls, visual_tokens: Mapping[str, Any]) -> "VisualGrid":
        """The grid that a run's `accuracy.json` tells under `visual_tokens`.

        Raises:
            ValueError: a field is missing or has no such value.
        """
        try:
            fields = dict(visual_tokens)
            rows, columns = fields.pop("grid")
            return cls(rows, columns, **fields)
        except (KeyError, TypeError) as error:
            raise ValueError(f"visual_tokens: {error}") from error

    @property
    def num_tokens(self) -> int:
        return self.rows * self.columns

    @property
    def patches(self) -> int:
        """Patches along each side of the input."""
        return self.input_size // self.patch_size

    def box(self, index: int) -> Box:
        """A visual token's rectangle in pixels of the input.

        Where the rows do not divide the patches (VILA's 14 tokens over 27), blocks of
        ceil(patches / rows) patches are merged, and the last one hangs over the edge.

        Raises:
            IndexError: no such token.
        """
        if not 0 <= index < self.num_tokens:
            raise IndexError(f"visual token {index} of {self.num_tokens}")
        if self.order == "row-major":
            row, column = divmod(index, self.columns)
        else:
            column, row = divmod(index, self.rows)
        top, bottom = self._span(row, self.rows)
        left, right = self._span(column, self.columns)
        return Box(left, top, right, bottom)

    def _merged(self, places: int) -> int:
        """Patches in a line that become one token."""
        return -(-self.patches // places)

    def _span(self, place: int, places: int) -> tuple[int, int]:
        merged = self._merged(places)
        begin, end = place * merged, min((place + 1) * merged, self.patches)
        return begin * self.patch_size, end * self.patch_size

    def input_box(self, width: int, height: int) -> Box:
        """Rectangle of the input on an image of that size, in the image's own pixels.

        The image is scaled, and a square is taken from its middle. Padding lets the square reach
        beyond the image, cropping leaves ends of the image out.
        """
        side, scaled = self.input_size, (self.input_size, self.input_size)
        if self.preprocessing == "pad":
            side, scaled = max(width, height), (width, height)
        elif self.preprocessing == "crop":  # lengths are rounded down, as in CLIP's processor
            short = min(width, height)
            scaled = (side * width // short, side * height // short)
        left, top = (int((length - side) / 2) for length in scaled)  # rounded towards 0
        x, y = width / scaled[0], height / scaled[1]
        return Box(left * x, top * y, (left + side) * x, (top + side) * y)

    def rectangle(self, index: int, width: int, height: int) -> Box:
        frame, box = self.input_box(width, height), self.box(index)
        x, y = frame.width / self.input_size, frame.height / self.input_size
        left, right = (frame.left + side * x for side in (box.left, box.right))
        top, bottom = (frame.top + side * y for side in (box.top, box.bottom))
        return Box(left, top, right, bottom)

    def view(self, width: int, height: int) -> Box:
        whole = Box(0, 0, width, height)
        return self.input_box(width, height) if self.preprocessing == "pad" else whole
