"""Images as a checkpoint's processor prepares them, and as its language model reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sepm.datasets.image_files import UnreadableImageError
from sepm.models.auto.processor import Settings
from sepm.models.auto.tiles import Tiles, tiles_of

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class TokenTypes:
    """One number a token that a family wants beside the ids; constant around the image."""

    before: int
    image: Ids
    after: int


@dataclass(frozen=True)
class ImageInput:
    """One image, prepared by the processor; it can be sent from one process to another."""

    arrays: Mapping[str, np.ndarray]
    """Arguments of the model about the image, such as `pixel_values`."""
    ids: Ids
    """int64[L] that stand for the image in a prompt: its placeholders and what is between them."""
    token_types: Mapping[str, TokenTypes]
    tiles: Tiles | None
    """Places of its visual tokens; None where they are not known."""


@dataclass(frozen=True)
class ImagePreprocessor:
    """The processor, called about one image.

    It is the whole processor that is called, and not its image processor alone: some ask that for
    more than its own settings say (InternVL's for tiles).
    """

    processor: Any
    """A `ProcessorMixin`."""
    settings: Settings
    """Given ones that the processor would else call its image processor with its own values of."""
    prompt: str
    """A rendered prompt."""
    image_id: int
    """Id of a visual token's placeholder."""
    adds_special_tokens: bool

    def __call__(self, image: Image.Image) -> ImageInput:
        """The image, prepared.

        Raises:
            UnreadableImageError: the processor refused it, or left it out of the prompt.
        """
        try:
            output: Any = self.processor(
                images=[image],
                text=[self.prompt],
                return_tensors="pt",
                add_special_tokens=self.adds_special_tokens,
                **({"images_kwargs": dict(self.settings)} if self.settings else {}),
            )
        except (ValueError, TypeError, ZeroDivisionError) as error:
            raise UnreadableImageError(f"the model's processor refuses it: {error}") from error
        values = {name: value.numpy() for name, value in output.items()}
        ids = values.pop("input_ids")[0]
        for unused in ("attention_mask", "labels"):  # the second: PaliGemma's, for training
            values.pop(unused, None)
        places = (ids == self.image_id).nonzero()[0]
        if not len(places):
            raise UnreadableImageError("the model's processor leaves it out of the prompt")
        span = slice(places[0], places[-1] + 1)
        types = {name: v[0] for name, v in values.items() if v.shape == (1, len(ids))}
        arrays = {name: value for name, value in values.items() if name not in types}
        return ImageInput(
            arrays=arrays,
            ids=ids[span],
            token_types={
                name: TokenTypes(int(value[0]), value[span], int(value[-1]))
                for name, value in types.items()
            },
            tiles=tiles_of(self.processor.image_processor, arrays, len(places), image.size),
        )
