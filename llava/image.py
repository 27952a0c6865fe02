"""From an image to the pixels that the original code would have fed the vision tower."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

FITTINGS = {"pad": "pad", "square": "crop", None: "crop", "resize": "resize"}
"""Way to make an image square, by the configuration's `image_aspect_ratio`."""

BAND = 64
"""Rows that are padded and resized at a time."""


def padded_and_resized(
    image: Image.Image, size: tuple[int, int], background: tuple[int, ...], resample: int
) -> Image.Image:
    """The image centred (rounded down) on a square of its longer side, resized to `size`.

    Pillow resizes rows first, then columns, with 8 bits between, and a row of one colour stays that
    colour. So the rows beside which only background lies are resized in bands and the others are
    not: bit for bit the square's result, which would take the square of the longer side in memory.
    """
    width, height = image.size
    longer = max(width, height)
    left, top = (longer - width) // 2, (longer - height) // 2
    narrow = Image.new(image.mode, (size[0], longer), background)
    for row in range(0, height, BAND):
        rows = min(BAND, height - row)
        band = Image.new(image.mode, (longer, rows), background)
        band.paste(image.crop((0, row, width, row + rows)), (left, 0))
        narrow.paste(band.resize((size[0], rows), resample), (0, top + row))
    return narrow.resize(size, resample)


class ImageProcessor:
    """Preprocessing: optional square padding, then the vision tower's own, all by Pillow.

    The pixels are those of the original code bit for bit; torchvision's are not.

    Args:
        processor: of the vision tower.
        image_aspect_ratio: "pad" pads to a square with the mean colour; None or "square" lets
            CLIP's centre crop cut the longer side; "resize" lets SigLIP's stretch the image.

    Raises:
        ValueError: another aspect ratio.
    """

    def __init__(
        self,
        processor: "CLIPImageProcessorPil | SiglipImageProcessorPil",
        image_aspect_ratio: str | None,
    ) -> None:
        if image_aspect_ratio not in FITTINGS:
            raise ValueError(
                "image_aspect_ratio must be pad, square, resize or absent, "
                f"got '{image_aspect_ratio}'"
            )
        self.processor = processor
        self.fitting = FITTINGS[image_aspect_ratio]
        self.background = tuple(int(255 * mean) for mean in processor.image_mean)

    def __call__(self, image: Image.Image) -> np.ndarray:
        """`pixel_values` float32[3, height, width] of one image."""
        image = image.convert("RGB")
        if self.fitting == "pad":
            sides = self.processor.size
            edge = sides.get("shortest_edge") if self.processor.do_resize else max(image.size)
            size = (edge, edge) if edge else (sides["width"], sides["height"])
            image = padded_and_resized(image, size, self.background, self.processor.resample)
        return self.processor(image, return_tensors="np")["pixel_values"][0].astype(np.float32)
