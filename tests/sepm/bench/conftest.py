"""Tiny models of both families with random weights, and one benchmark of each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sepm.bench.build import SEED, build_workload
from sepm.bench.measure import measure_variants
from sepm.bench.request import BenchRequest
from sepm.bench.run import measure_all
from sepm.bench.shapes import LanguageShape, Shape, TowerShape
from sepm.bench.variants import Workload, reference_variant
from sepm.models.device import Placement
from sepm.progress import tell

CPU = torch.device("cpu")
IN_FLOAT32 = Placement(CPU, torch.float32, torch.float32)
IMAGES = 6

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
def workload(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """A tiny random model, of each family in turn, and a few images."""
    folder = tmp_path_factory.mktemp("bench-images")
    return build_workload(TINY[request.param], IN_FLOAT32, IMAGES, Path(folder))


@pytest.fixture(scope="session")
def small_request() -> BenchRequest:
    """Everything, quickly."""
    return BenchRequest(images=IMAGES, repeats=2, batch_sizes=(3,), dtype="float32")


@pytest.fixture(scope="session")
def result(workload: Workload, small_request: BenchRequest) -> dict[str, Any]:
    """What one whole benchmark measured, but for the reference's having a process of its own."""
    by_key = [reference_variant(workload, SEED)]
    reference = measure_variants(by_key, workload, small_request.repeats, tell)
    return measure_all(small_request, workload, IN_FLOAT32, reference)
