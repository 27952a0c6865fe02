"""The work that all variants do: runs of methods over random images, with a random model."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sepm.bench.request import BenchRequest
from sepm.datasets.image_files import read_image
from sepm.datasets.question_file import Question
from sepm.datasets.tasks import load_taxonomy
from sepm.inference.prompt_check import possible_queries
from sepm.method.config import DEFAULT_PRESET, PRESETS
from sepm.method.dialogue import Dialogue, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.device import Placement
from sepm.models.protocol import Prompt
from sepm.models.random_llava import RandomModel, answer_with_letters, random_model
from sepm.models.shapes import Shape
from sepm.progress import tell
from sepm.registry import MethodRun

SEED = 0
TASK = "emoset"
CONFIG = PRESETS[DEFAULT_PRESET]
SEPM = f"sepm β={CONFIG.beta:g}"
"""Name of the run that every variant holds."""
PROBE_IMAGES = 8
"""Number of images whose hidden states the output layer is laid along."""
WIDTH, HEIGHT = 640, 480
COLOURS = (12, 16, 3)
"""Shape of the random colours that an image is enlarged from: it compresses as a photograph."""


def seven_runs() -> dict[str, MethodRun]:
    """Runs that a table or two compare, by name; SEPM at two β."""
    sepm = {f"sepm β={beta:g}": replace(CONFIG, beta=beta) for beta in (0.1, 0.2)}
    others = dict.fromkeys(("zero-shot", "zero-shot-cot", "fp", "cci", "cci+fp"), CONFIG)
    return {name: MethodRun(name.split()[0], config) for name, config in (others | sepm).items()}


def image_once(betas: Sequence[float] = (CONFIG.beta,)) -> dict[str, MethodRun]:
    """SEPM whose image runs once, at some β, by name."""
    return {
        f"sepm β={beta:g}, image once": MethodRun(
            "sepm", replace(CONFIG, beta=beta, image_pass="once")
        )
        for beta in betas
    }


@dataclass(frozen=True)
class Workload:
    """A random model, and the images and runs that all variants are measured on."""

    place: Placement
    model: RandomModel
    taxonomy: Taxonomy
    questions: Sequence[Question]
    image_folder: Path
    runs: Mapping[str, MethodRun]

    def dialogue(self, run: str, question: Question) -> Dialogue:
        """The dialogue of a run about an image."""
        sample = Sample(question.question_id, self.model.max_visual_tokens, question.text)
        return self.runs[run].dialogue(sample, self.taxonomy)

    def queries(self, run: str) -> list[str]:
        """Texts of a run's queries: the coarse or only one first, that of all classes last."""
        sample = Sample("", self.model.max_visual_tokens)
        return list(possible_queries(self.runs[run], sample, self.taxonomy))

    @property
    def coarse_prompts(self) -> frozenset[Prompt]:
        """The coarse prompts, without the phrase and with it."""
        return frozenset(self.model.tokenize(self.queries(run)[0]) for run in ("cci", SEPM))

    def pixels(self, number: int) -> list[np.ndarray]:
        """float32[3, height, width] of each of the first images, at most `number`."""
        paths = [self.image_folder / question.image for question in self.questions[:number]]
        return [self.model.preprocess(read_image(path)) for path in paths]

    def coarse_prefill(self, batch_size: int) -> Callable[[], object]:
        """A function that prefills SEPM's coarse query, and scores the visual tokens, once."""
        ask = next(self.dialogue(SEPM, self.questions[0]))
        assert ask.scored_by is not None, "the configuration drops by FoE scores"
        prompt = self.model.tokenize(ask.query.text)
        rows = prompt.positions_of(*ask.scored_by)
        images = self.model.encode(self.pixels(1)) * batch_size
        none = [()] * batch_size
        return lambda: self.model.prefill([prompt] * batch_size, images, none, rows)


@contextmanager
def built(shape: Shape, place: Placement, request: BenchRequest) -> Iterator[Workload]:
    """The workload of a request, the same in every process, and as many threads as it says.

    Raises:
        InputError: the tokenizer is not there.
    """
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    taxonomy = load_taxonomy(TASK)
    model = random_model(shape, place.device, place.dtype, SEED)
    tell(f"{shape.name}: random weights in memory; writing {request.images} images")
    with tempfile.TemporaryDirectory(prefix="sepm-bench-") as folder:
        questions = write_images(Path(folder), request.images, taxonomy)
        workload = Workload(place, model, taxonomy, questions, Path(folder), seven_runs())
        coarse, *_, all_classes = workload.queries(SEPM)
        others = [workload.queries(run)[0] for run in ("zero-shot", "cci")]
        queries = [*others, coarse, all_classes]
        answer_with_letters(model, queries, workload.pixels(PROBE_IMAGES))
        yield workload


def write_images(folder: Path, number: int, taxonomy: Taxonomy) -> list[Question]:
    """Questions about so many new JPEG files of smooth random content, labels in turn."""
    random = np.random.default_rng(SEED)
    questions: list[Question] = []
    for index in range(number):
        # A tint of each image's own: otherwise all would look alike from far away.
        colours = random.integers(0, 160, 3) + random.integers(0, 96, COLOURS)
        image = Image.fromarray(colours.astype(np.uint8))
        name = f"{index:06}.jpg"
        image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(folder / name, quality=90)
        label = taxonomy.names[index % len(taxonomy.names)]
        questions.append(Question(question_id=name, image=name, label=label))
    return questions
