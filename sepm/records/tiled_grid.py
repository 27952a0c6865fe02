"""Places of visual tokens where each image has its own: tiles of tokens over parts of the image.

InternVL's image is seen twice: in tiles, and whole as a thumbnail. Its tokens are two covers then.
A picture shows the tiles over the image and the thumbnail's tokens on a second, small image below.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from sepm.records.geometry import Box, Cover, TokenPlaces, VisualGrid

PLACES_UNKNOWN = "the places of this model's visual tokens are not known"

WHOLE = (0.0, 0.0, 1.0, 1.0)
ROUNDING = 1e-9
"""Tiles may overlap by this share of the image, which is no more than rounding."""


class Tile(NamedTuple):
    """A grid of tokens, row by row, over a rectangle of the image.

    The rectangle's edges are shares of the image's width and height.
    """

    rows: int
    columns: int
    left: float
    top: float
    right: float
    bottom: float

    @property
    def num_tokens(self) -> int:
        """How many visual tokens the tile has."""
        return self.rows * self.columns

    def overlaps(self, other: "Tile") -> bool:
        """Whether both see one place."""
        x = min(self.right, other.right) - max(self.left, other.left)
        y = min(self.bottom, other.bottom) - max(self.top, other.top)
        return min(x, y) > ROUNDING

    def box(self, place: int) -> Box:
        """The rectangle of its token of that number, in shares of the image's sides."""
        row, column = divmod(place, self.columns)
        width, height = self.right - self.left, self.bottom - self.top
        left, right = (self.left + width * x / self.columns for x in (column, column + 1))
        top, bottom = (self.top + height * y / self.rows for y in (row, row + 1))
        return Box(left, top, right, bottom)


@dataclass(frozen=True)
class TiledGrid(TokenPlaces):
    """Tiles of one image, in the order of their tokens, as a record's `tiles` tells them."""

    tiles: tuple[Tile, ...]

    @classmethod
    def from_record(cls, tiles: Sequence[Sequence[float]]) -> "TiledGrid":
        """The tiles that a prediction record tells."""
        return cls(tuple(Tile(int(rows), int(columns), *box) for rows, columns, *box in tiles))

    @property
    def num_tokens(self) -> int:
        return sum(tile.num_tokens for tile in self.tiles)

    @cached_property
    def covers(self) -> tuple[Cover, ...]:
        return tuple(
            Cover(self._name(numbers), [token for n in numbers for token in self._tokens[n]])
            for numbers in self._tiles_of_covers
        )

    @property
    def numbered(self) -> list[tuple[float, ...]]:
        """Each tile behind the numbers of its cover and of its first token."""
        return [
            (cover, self._tokens[n].start, *self.tiles[n])
            for cover, numbers in enumerate(self._tiles_of_covers)
            for n in numbers
        ]

    @cached_property
    def _tokens(self) -> list[range]:
        """Indices of each tile's tokens."""
        ends = list(accumulate((tile.num_tokens for tile in self.tiles), initial=0))
        return [range(*span) for span in pairwise(ends)]

    @cached_property
    def _tiles_of_covers(self) -> list[list[int]]:
        """Numbers of the tiles of each cover, the one of most tiles first."""
        found: list[list[int]] = []
        for number, tile in enumerate(self.tiles):
            free = (c for c in found if not any(tile.overlaps(self.tiles[n]) for n in c))
            cover = next(free, None)
            if cover is None:
                found.append([number])
            else:
                cover.append(number)
        return sorted(found, key=len, reverse=True)

    def _name(self, numbers: Sequence[int]) -> str:
        if len(self.tiles) == 1:
            return "image"
        alone = len(numbers) == 1 and self.tiles[numbers[0]][2:] == WHOLE
        return "thumbnail" if alone else "tiles"

    def rectangle(self, index: int, width: int, height: int) -> Box:
        for tokens, tile in zip(self._tokens, self.tiles, strict=True):
            if index in tokens:
                box = tile.box(index - tokens.start)
                return Box(
                    box.left * width, box.top * height, box.right * width, box.bottom * height
                )
        raise IndexError(f"visual token {index} of {self.num_tokens}")

    def view(self, width: int, height: int) -> Box:
        """The whole image, and of tiles beyond it no more than its own size to each side."""
        lefts, tops, rights, bottoms = zip(*(tile[2:] for tile in self.tiles), strict=True)
        left, top = (max(-1.0, min(0.0, *edges)) for edges in (lefts, tops))
        right, bottom = (min(2.0, max(1.0, *edges)) for edges in (rights, bottoms))
        return Box(
            math.floor(left * width),
            math.floor(top * height),
            math.ceil(right * width),
            math.ceil(bottom * height),
        )


def token_places(
    visual_tokens: Mapping[str, Any] | None, record: Mapping[str, Any]
) -> TokenPlaces | None:
    """Places of the visual tokens of a record's image; None where they are not known.

    Args:
        visual_tokens: as a run's `accuracy.json` tells them for all its images.
        record: its own `tiles` go before.

    Raises:
        ValueError: the run's grid lacks a field, or one has no such value.
    """
    if "tiles" in record:
        return TiledGrid.from_record(record["tiles"])
    return VisualGrid.from_facts(visual_tokens) if visual_tokens else None


def dropped_in_words(
    dropped: Sequence[int], record: Mapping[str, Any], places: TokenPlaces | None
) -> str:
    """How many of an image's visual tokens are dropped.

    Args:
        dropped: their indices.
        record: tells N where places do not.
        places: of the image's tokens; None: not known.
    """
    scores = len(record.get("foe_scores", ()))
    total = places.num_tokens if places else record.get("num_visual_tokens", scores)
    return f"{len(dropped)} {f'of {total} ' if total else ''}tokens dropped"
