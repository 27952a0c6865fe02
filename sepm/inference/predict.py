"""One image's whole decision, without a question file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from llava import Llava
from sepm.datasets.image_files import UnreadableImageError, read_image
from sepm.errors import InputError
from sepm.inference.batching import run_dialogues
from sepm.inference.prompt_check import check_prompts
from sepm.inference.window import Job
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.opening import check_option_letters
from sepm.records.record import require_numbers
from sepm.registry import Recipe


@dataclass(frozen=True)
class Decision:
    """What a method decided about one image."""

    image: Path
    outcome: Outcome
    num_visual_tokens: int


def predict(
    model: Llava,
    images: Sequence[Path],
    recipe: Recipe,
    taxonomy: Taxonomy,
    config: MethodConfig,
) -> list[Decision]:
    """The decision about each image, one image at a time.

    Raises:
        InputError: an image cannot be read, or the model cannot be asked or answer; nothing was
            computed.
        RunError: the model's probabilities are not numbers.
    """
    check_option_letters(model, taxonomy)
    check_prompts(model, [Job(recipe, config)], taxonomy, {None: "the prompts"})
    loaded = [_load(path) for path in images]
    decisions = []
    for path, image in zip(images, loaded, strict=True):
        tokens = model.encode(torch.stack([model.preprocess(image)]))
        sample = Sample(path.name, model.num_visual_tokens)
        dialogue = recipe(sample, taxonomy, config)
        ((_, outcome),) = run_dialogues(
            model, [(0, dialogue)], list(tokens), lambda answer, *asked: answer(*asked)
        )
        require_numbers(str(path), outcome)
        decisions.append(Decision(path, outcome, sample.num_visual_tokens))
    return decisions


def _load(path: Path) -> Image.Image:
    try:
        return read_image(path)
    except UnreadableImageError as error:
        raise InputError(f"image {path}: {error}") from error
