"""One image's whole decision, without a question file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from sepm.datasets.image_files import UnreadableImageError, as_if_read, read_image
from sepm.errors import InputError, RunError
from sepm.inference.prompt_check import check_prompts
from sepm.inference.unbatched import run_alone
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Dialogue, Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.memory import free_memory, is_out_of_memory
from sepm.models.protocol import EncodedImage, VisionLanguageModel
from sepm.records.writing import VisualTokens, decision_fields, require_numbers
from sepm.registry import MethodRun

ImageSource = str | Path | Image.Image
"""An image file's path, or an image."""


@dataclass(frozen=True, repr=False)
class Decision:
    """A method's decision about one image."""

    source: str
    """Path of the image file; "" where the image came without one."""
    image: Image.Image
    """RGB, upright."""
    outcome: Outcome
    visual_tokens: VisualTokens
    taxonomy: Taxonomy
    run: MethodRun

    @property
    def config(self) -> MethodConfig:
        """Settings that the method ran with."""
        return self.run.config

    @property
    def num_visual_tokens(self) -> int:
        """N, the image's number of visual tokens."""
        return self.visual_tokens.number

    @property
    def emotion(self) -> str | None:
        """Name of the class; None where the answer cannot be read."""
        return self.outcome.emotion(self.taxonomy)

    def __repr__(self) -> str:
        """What a notebook shows of it: the class, and what was dropped on the way."""
        dropped = f"{len(self.outcome.dropped)} of {self.num_visual_tokens} visual tokens"
        return f"Decision({self.emotion!r} by {self.run.method}, dropped {dropped})"

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
            RunError: the model's probabilities are not numbers, or memory does not suffice.
        """
        with memory_told():
            shown = encode_image(self.model, image)
            outcome_of = partial(run_alone, self.model, image=shown.encoded)
            return decide(shown, self.run, self.taxonomy, outcome_of)


@contextmanager
def memory_told() -> Iterator[None]:
    """Turn the many errors of memory that ran out into a `RunError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        free_memory()
        raise RunError("out of memory; take a smaller image, or --dtype float16") from error


class ShownImage(NamedTuple):
    """An image that a model has encoded."""

    source: str
    """As in `Decision`."""
    image: Image.Image
    encoded: EncodedImage


def decide(
    shown: ShownImage,
    run: MethodRun,
    taxonomy: Taxonomy,
    outcome_of: Callable[[Dialogue], Outcome],
) -> Decision:
    """A method's decision about one image.

    Args:
        shown: the image.
        run: the method with its settings.
        taxonomy: classes of the task.
        outcome_of: runs a dialogue about the image on the model.

    Raises:
        RunError: the model's probabilities are not numbers.
    """
    source, image, encoded = shown
    sample = Sample(Path(source).name, encoded.num_tokens, image=encoded)
    outcome = outcome_of(run.dialogue(sample, taxonomy))
    require_numbers(source or "the image", outcome)
    visual_tokens = VisualTokens(encoded.num_tokens, encoded.tiles)
    return Decision(source, image, outcome, visual_tokens, taxonomy, run)


def encode_image(
    model: VisionLanguageModel, source: ImageSource, name: str | None = None
) -> ShownImage:
    """An image, read as every command reads one, and encoded.

    Args:
        model: encodes it.
        source: path, or image.
        name: stands for the path; None: the path itself.

    Raises:
        InputError: it cannot be read, or the model cannot take it.
    """
    path = getattr(source, "filename", "") if isinstance(source, Image.Image) else source
    path = path if name is None else name
    try:
        image = as_if_read(source) if isinstance(source, Image.Image) else read_image(Path(source))
        content = model.preprocess(image)
    except UnreadableImageError as error:
        raise InputError(f"image {path}: {error}") from error
    (encoded,) = model.encode([content])
    return ShownImage(str(path), image, encoded)
