"""Tiny models of both families with random weights, and one benchmark of each."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from sepm.bench import measure
from sepm.bench.measure import measure_variants, reference_variant
from sepm.bench.request import BenchRequest
from sepm.bench.run import measure_all
from sepm.bench.workload import Workload, built
from sepm.models.device import Placement
from sepm.models.shapes import LanguageShape, Shape, TowerShape

IN_FLOAT32 = Placement(torch.device("cpu"), torch.float32, torch.float32)
REQUEST = BenchRequest(images=6, repeats=2, batch_sizes=(2,), dtype="float32")
FEW = 3
"""Images that a benchmark measures: a batch of two and one of one."""

TINY = {
    "llava": Shape(
        "tiny-llava",
        LanguageShape(32, 64, 3, 4, 4, 1000),
        TowerShape("clip", 24, 48, 3, 4, 56),
    ),
    "vila": Shape(
        "tiny-vila",
        LanguageShape(64, 128, 2, 4, 2, 1000, rope_theta=500_000.0),
        TowerShape("siglip", 48, 96, 3, 4, 70),
    ),
}


@pytest.fixture(scope="session")
def tiny_shape() -> Callable[[str], Shape]:
    """A function that gives the tiny shape of a family, "llava" or "vila"."""
    return TINY.__getitem__


@pytest.fixture(scope="session", params=list(TINY))
def workload(request: pytest.FixtureRequest) -> Iterator[Workload]:
    """A tiny random model, of each family in turn, and a few images."""
    with built(TINY[request.param], IN_FLOAT32, REQUEST) as workload:
        yield workload


@pytest.fixture(scope="session")
def result(workload: Workload) -> dict[str, Any]:
    """Everything that one benchmark measures; the reference has no process of its own here."""
    few = replace(workload, questions=workload.questions[:FEW])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "COUNTED_IMAGES", 2)  # counting takes longer than computing
        reference = measure_variants([reference_variant(few)], few, REQUEST.repeats)
        return measure_all(replace(REQUEST, images=FEW), few, reference)
