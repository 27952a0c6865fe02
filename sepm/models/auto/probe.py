"""What a processor does with an image and a prompt, seen by trying: one image, one prompt."""

from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image

from sepm.models.auto.images import ImageInput, ImagePreprocessor
from sepm.models.auto.processor import Settings, recorded_settings

SIZE = 448, 336
"""Width and height of the image, in pixels."""


@dataclass(frozen=True)
class Probe:
    """What the processor made of one image and one prompt."""

    preprocess: ImagePreprocessor
    image: ImageInput
    text: str
    """The prompt with the image's placeholders, as the tokenizer got it."""
    ids: tuple[int, ...]
    settings: Settings
    """Of the image processor as it was called: some processors change what its file says."""


def probe_processor(processor: Any, prompt: str, image_id: int, given: Settings) -> Probe:
    """Try a processor.

    Args:
        processor: a `ProcessorMixin`.
        image_id: id of a visual token's placeholder.
        given: settings of the image processor that differ from the checkpoint's.

    Raises:
        UnreadableImageError: it refuses the image, or makes no placeholder of it.
    """
    # A template that writes the beginning-of-text token and a tokenizer that adds it give two.
    bos = processor.tokenizer.bos_token
    adds = not (bos and prompt.startswith(bos))
    picture = Image.new("RGB", SIZE, (128, 128, 128))
    preprocess = ImagePreprocessor(processor, {}, prompt, image_id, adds)
    own, texts = _Recorded(processor.image_processor), _Recorded(processor.tokenizer)
    with patch.object(processor, "image_processor", own):
        preprocess(picture)
    overruled = {name: value for name, value in given.items() if name in own.options}
    preprocess = replace(preprocess, settings=overruled)
    with patch.object(processor, "tokenizer", texts):
        image = preprocess(picture)
    (text,), output = texts.given, texts.output
    ids = tuple(int(x) for x in torch.as_tensor(output["input_ids"]).flatten())
    settings = recorded_settings(processor.image_processor, own.options | given)
    return Probe(preprocess, image, str(text), ids, settings)


class _Recorded:
    """A part of a processor and its last call; all else is the part's."""

    def __init__(self, part: Any) -> None:
        self._part = part
        self.given: Any = None
        self.options: dict[str, Any] = {}
        self.output: Any = None

    def __call__(self, given: Any = None, *args: Any, **options: Any) -> Any:
        self.given = [given] if isinstance(given, str) else given
        self.options = options
        self.output = self._part(given, *args, **options)
        return self.output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)
