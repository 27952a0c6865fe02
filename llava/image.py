"""From an image to the pixels that the original code would have fed the vision tower."""

from typing import Literal

import torch
from PIL import Image
from torch import Tensor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

Fitting = Literal["pad", "crop", "resize"]
FITTINGS: dict[str | None, Fitting] = {
    "pad": "pad",
    "square": "crop",
    None: "crop",
    "resize": "resize",
}
"""How an image is made square, by the configuration's `image_aspect_ratio`."""


def expand_to_square(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """The image centred (rounded down) on a square of its longer side."""
    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    square = Image.new(image.mode, (side, side), background)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


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
        processor: CLIPImageProcessorPil | SiglipImageProcessorPil,
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

    def __call__(self, image: Image.Image) -> Tensor:
        """`pixel_values` float32[3, height, width] of one image."""
        image = image.convert("RGB")
        if self.fitting == "pad":
            image = expand_to_square(image, self.background)  # type: ignore[arg-type]
        return self.processor(image, return_tensors="pt")["pixel_values"][0].to(torch.float32)
