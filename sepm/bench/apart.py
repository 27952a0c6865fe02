"""The reference script in a process of its own, as an ordinary script runs.

What a process has freed before decides what new memory costs it, and of our variants' memory a
script knows nothing. It runs before ours do, so that never two models are in the device's memory.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from sepm.bench.build import SEED, built
from sepm.bench.measure import Measured, measure_variants
from sepm.bench.request import BenchRequest
from sepm.bench.shapes import Shape
from sepm.bench.variants import reference_variant
from sepm.errors import RunError
from sepm.models.device import Placement, prepare_device
from sepm.progress import tell


def reference_apart(shape: Shape, place: Placement, request: BenchRequest) -> dict[str, Measured]:
    """The reference's measurements, by its key.

    Raises:
        RunError: the process was killed.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as process:
        try:
            return process.submit(_measure, shape, place, request).result()
        except BrokenProcessPool as error:
            raise RunError(
                f"the reference script's process was killed, which mostly means that shape "
                f"{shape.name} does not fit in memory; leave it out with --only"
            ) from error


def _measure(shape: Shape, place: Placement, request: BenchRequest) -> dict[str, Measured]:
    prepare_device(place.device, keep_memory=False)  # no script tunes its C library
    with built(shape, place, request) as workload:
        return measure_variants(
            [reference_variant(workload, SEED)], workload, request.repeats, tell
        )
