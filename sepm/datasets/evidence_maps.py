"""Evidence about images, as people marked it: maps, boxes, or visual tokens, one for each image."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from sepm.datasets.files import read_text
from sepm.datasets.folder import IMAGE_SUFFIXES
from sepm.datasets.image_files import UnreadableImageError, read_image
from sepm.datasets.question_file import image_faults
from sepm.errors import InputError

MOST_COLOUR = 16
"""Largest distance between a grey pixel's colours that the compression of a JPEG leaves."""

EXPECTED = (
    "a folder of grey images, or a JSON object of lists of visual tokens or of [left, top, right, "
    "bottom] by question id"
)

Token = Annotated[int, Meta(ge=0)]


class PixelBox(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A rectangle in pixels of the image. Raises ValueError unless it has an area."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (self.left < self.right and self.top < self.bottom):
            raise ValueError("a box is no rectangle from left, top to right, bottom")


@dataclass(frozen=True, eq=False)
class GreyMap:
    """How much of the evidence lies in each pixel."""

    values: NDArray[np.float64]
    """float64[height, width], 0 to 255."""


@dataclass(frozen=True)
class Boxes:
    """Rectangles that people marked; where several lie over each other, their evidence adds up."""

    boxes: tuple[PixelBox, ...]


@dataclass(frozen=True)
class MarkedTokens:
    """Visual tokens that carry the evidence, all the same."""

    indices: tuple[int, ...]


Evidence = GreyMap | Boxes | MarkedTokens


@dataclass(frozen=True)
class MapFolder:
    """Grey images under the names of a question file's images, whatever their suffix."""

    path: Path

    def find(self, question_id: str, image: str) -> GreyMap | None:
        """An image's map; None where there is none.

        Raises:
            InputError: it is there and cannot be read.
        """
        if any(image_faults(image, self.path)):
            return None
        name = self.path / image
        suffixes = dict.fromkeys([name.suffix, ".png", ".jpg", *sorted(IMAGE_SUFFIXES)])
        path = next((p for s in suffixes if (p := name.with_suffix(s)).is_file()), None)
        return None if path is None else GreyMap(_grey_values(path))


@dataclass(frozen=True)
class MapFile:
    """Boxes or visual tokens by question id, from a JSON file."""

    path: Path
    marks: Mapping[str, Evidence]

    def find(self, question_id: str, image: str) -> Evidence | None:
        """A question's marks; None where there are none."""
        return self.marks.get(question_id)


EvidenceMaps = MapFolder | MapFile
"""Evidence by image."""


def read_evidence_maps(path: Path) -> EvidenceMaps:
    """The evidence of a folder of grey images, or of a JSON file.

    The file holds an object: `{question_id: [token, …]}` as `data/demo/cues.json`, or
    `{question_id: [[left, top, right, bottom], …]}`.

    Raises:
        InputError: there is no such folder or file, or the file holds neither.
    """
    if path.is_dir():
        return MapFolder(path)
    if not path.exists():
        raise InputError(f"no maps: {path} is no file or folder; give {EXPECTED}")
    text = read_text(path)
    try:
        marks = msgspec.json.decode(text, type=dict[str, list[Token | PixelBox]])
        return MapFile(path, {name: _marks(name, found) for name, found in marks.items()})
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}; expected {EXPECTED}") from error


def _marks(question_id: str, marks: list[Token | PixelBox]) -> Boxes | MarkedTokens:
    """An image's marks; raises ValueError where they are neither tokens alone nor boxes alone."""
    tokens = [mark for mark in marks if isinstance(mark, int)]
    boxes = [mark for mark in marks if not isinstance(mark, int)]
    if tokens and boxes:
        raise ValueError(f"both visual tokens and boxes for '{question_id}'")
    return Boxes(tuple(boxes)) if boxes else MarkedTokens(tuple(sorted({*tokens})))


def _grey_values(path: Path) -> NDArray[np.float64]:
    """float64[height, width] of a grey image, 0 to 255."""
    try:
        pixels = np.asarray(read_image(path)).astype(np.int16)
    except UnreadableImageError as error:
        raise InputError(f"map {path}: {error}") from error
    if (pixels.max(axis=2) - pixels.min(axis=2)).max() > MOST_COLOUR:
        raise InputError(f"map {path} is in colour; expected shades of grey, white: most evidence")
    return pixels.mean(axis=2)
