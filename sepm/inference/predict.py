"""One image's whole decision, without a question file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from sepm.datasets.image_files import UnreadableImageError, as_if_read, read_image
from sepm.errors import InputError
from sepm.inference.alone import run_alone
from sepm.inference.image_loader import Preprocess
from sepm.inference.prompt_check import check_prompts
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.protocol import VisionLanguageModel
from sepm.records.writing import VisualTokens, decision_fields, require_numbers
from sepm.registry import MethodRun

ImageSource = str | Path | Image.Image
"""An image file's path, or an image."""


@dataclass(frozen=True)
class Decision:
    """A method's decision about one image."""

    source: str
    """Path of the image file; "" where the image came without one."""
    image: Image.Image
    """RGB, upright."""
    outcome: Outcome
    visual_tokens: VisualTokens
    taxonomy: Taxonomy
    config: MethodConfig

    @property
    def num_visual_tokens(self) -> int:
        """N, the image's number of visual tokens."""
        return self.visual_tokens.number

    @property
    def emotion(self) -> str | None:
        """Name of the class; None where the answer cannot be read."""
        letter = self.outcome.reply.letter
        return self.taxonomy.by_letter(letter).name if letter else None

    def as_dict(self) -> dict[str, Any]:
        """The decision with the fields of a prediction record, ready for JSON."""
        return {
            "image": self.source,
            **self.visual_tokens.fields,
            **decision_fields(self.outcome, self.taxonomy, save_scores=True),
        }


def predict(
    model: VisionLanguageModel,
    images: Sequence[ImageSource],
    run: MethodRun,
    taxonomy: Taxonomy,
) -> list[Decision]:
    """Decision about each image, one image at a time.

    Raises:
        InputError: an image cannot be read, or the model cannot be asked or answer; nothing was
            computed.
        RunError: the model's probabilities are not numbers.
    """
    check_prompts(model, [run], taxonomy, {None: "the prompts"})
    loaded = [_load(image, model.preprocess) for image in images]
    decisions = []
    for source, image, content in loaded:
        (encoded,) = model.encode([content])
        sample = Sample(Path(source).name, encoded.num_tokens)
        outcome = run_alone(model, run.dialogue(sample, taxonomy), encoded)
        require_numbers(source or "the image", outcome)
        visual_tokens = VisualTokens(encoded.num_tokens, encoded.tiles)
        decisions.append(Decision(source, image, outcome, visual_tokens, taxonomy, run.config))
    return decisions


def _load(source: ImageSource, preprocess: Preprocess) -> tuple[str, Image.Image, Any]:
    """Path of an image, the image, and what the model's preprocessing makes of it.

    Raises:
        InputError: it cannot be read, or the model cannot take it.
    """
    path = getattr(source, "filename", "") if isinstance(source, Image.Image) else source
    try:
        image = as_if_read(source) if isinstance(source, Image.Image) else read_image(Path(source))
        return str(path), image, preprocess(image)
    except UnreadableImageError as error:
        raise InputError(f"image {path}: {error}") from error
