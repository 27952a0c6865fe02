"""What all variants are measured on: a random model whose answers are letters, and images."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from sepm.bench.letters import answer_with_letters
from sepm.bench.random_images import write_images
from sepm.bench.request import BenchRequest
from sepm.bench.shapes import Shape
from sepm.bench.variants import Workload, asked_queries
from sepm.bench.weights import random_model
from sepm.datasets.image_files import read_image
from sepm.datasets.tasks import load_taxonomy
from sepm.models.device import Placement
from sepm.progress import tell

SEED = 0
TASK = "emoset"
PROBE_IMAGES = 8
"""Images along which the output layer is laid."""
PROBE_QUERIES = ("coarse", "coarse, phrase", "ambiguous, phrase", "zero-shot")
"""Queries along which it is laid; the others end in much the same hidden states."""


@contextmanager
def built(shape: Shape, place: Placement, request: BenchRequest) -> Iterator[Workload]:
    """The workload of a request, in a process that computes with as many threads as it says.

    Raises:
        InputError: the tokenizer is not there.
    """
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    with tempfile.TemporaryDirectory(prefix="sepm-bench-") as folder:
        yield build_workload(shape, place, request.images, Path(folder))


def build_workload(shape: Shape, place: Placement, images: int, folder: Path) -> Workload:
    """A random model and so many images; every process makes the same."""
    taxonomy = load_taxonomy(TASK)
    model = random_model(shape, place.device, place.dtype, SEED)
    tell(f"{shape.name}: random weights in memory; writing {images} images")
    questions = write_images(folder, images, taxonomy, SEED)
    probes = [model.preprocess(read_image(folder / q.image)) for q in questions[:PROBE_IMAGES]]
    queries = asked_queries(taxonomy)
    answer_with_letters(model, [queries[name] for name in PROBE_QUERIES], torch.stack(probes))
    return Workload(model, shape, taxonomy, questions, folder)
