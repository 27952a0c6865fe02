"""One image's whole decision, without a question file."""

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
        return self.outcome.emotion(self.taxonomy)

    def as_dict(self) -> dict[str, Any]:
        """The decision with the fields of a prediction record, ready for JSON."""
        return {
            "image": self.source,
            **self.visual_tokens.fields,
            **decision_fields(self.outcome, self.taxonomy, save_scores=True),
        }


class Predictor:
    """A method on a model, which decides about one image after another.

    Raises:
        InputError: the model cannot be asked the method's queries, or cannot answer.
    """

    def __init__(self, model: VisionLanguageModel, run: MethodRun, taxonomy: Taxonomy) -> None:
        check_prompts(model, [run], taxonomy, {None: "the prompts"})
        self.model, self.run, self.taxonomy = model, run, taxonomy

    def __call__(self, image: ImageSource) -> Decision:
        """Decision about an image.

        Raises:
            InputError: it cannot be read.
            RunError: the model's probabilities are not numbers.
        """
        source, image, content = _load(image, self.model.preprocess)
        (encoded,) = self.model.encode([content])
        sample = Sample(Path(source).name, encoded.num_tokens)
        outcome = run_alone(self.model, self.run.dialogue(sample, self.taxonomy), encoded)
        require_numbers(source or "the image", outcome)
        visual_tokens = VisualTokens(encoded.num_tokens, encoded.tiles)
        return Decision(source, image, outcome, visual_tokens, self.taxonomy, self.run.config)


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
