"""From an image to the pixels that the original code would have fed the vision tower."""

import torch
from PIL import Image
from torch import Tensor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil


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
    """Preprocessing of LLaVA-1.5: optional square padding, then CLIP's own, all by Pillow.

    The pixels are those of the original code bit for bit; torchvision's are not.

    Args:
        processor: of the vision tower.
        image_aspect_ratio: "pad" pads to a square with the mean colour; None or "square" lets the
            processor's centre crop cut the longer side.

    Raises:
        ValueError: an aspect ratio that LLaVA-1.5 does not have.
    """

    def __init__(self, processor: CLIPImageProcessorPil, image_aspect_ratio: str | None) -> None:
        if image_aspect_ratio not in (None, "square", "pad"):
            raise ValueError(
                f"image_aspect_ratio must be pad, square or absent, got '{image_aspect_ratio}'"
            )
        self.processor = processor
        self.pad = image_aspect_ratio == "pad"
        self.background = tuple(int(255 * mean) for mean in processor.image_mean)

    def __call__(self, image: Image.Image) -> Tensor:
        """`pixel_values` float32[3, height, width] of one image."""
        image = image.convert("RGB")
        if self.pad:
            image = expand_to_square(image, self.background)  # type: ignore[arg-type]
        return self.processor(image, return_tensors="pt")["pixel_values"][0].to(torch.float32)
