"""Measuring: variants once each in every repeat, so that a noisy machine troubles all alike."""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from sepm.bench.flops import count_flops
from sepm.bench.stages import Stage, StageClock
from sepm.bench.variants import Variant, Workload
from sepm.datasets.image_files import read_image
from sepm.method.dialogue import Outcome
from sepm.models.device import PeakMemory, peak_memory

COUNTED_IMAGES = 8
"""How many images warm a variant up and have its operations counted."""

Outcomes = dict[tuple[str, str], Outcome]
"""By run and question id."""


@dataclass(frozen=True)
class Tick:
    """When the answer of an image was there, and the memory of the process then."""

    seconds: float
    """Since the pass began."""
    resident_bytes: int


@dataclass(frozen=True)
class Measurement:
    """One going-through of all images by one variant."""

    seconds: dict[str, float]
    """Of each of its passes."""
    stages: dict[str, Stage]
    peak_memory: PeakMemory
    ticks: list[Tick]
    """One for every answer, of all passes."""
    outcomes: Outcomes

    @property
    def total_seconds(self) -> float:
        """Of all passes."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Measured:
    """A variant and its measurements, which another process can be told."""

    title: str
    batch_size: int
    flop_per_image: float
    measurements: list[Measurement]
    """One for each repeat."""


def warm_up(variant: Variant, workload: Workload) -> float:
    """Operations for each image; the variant has run on a few images then."""
    few = list(islice(workload.questions, COUNTED_IMAGES))
    clock = _clock(workload)

    def compute() -> None:
        for one_pass in variant.passes.values():
            for _ in one_pass(few, clock):
                pass

    return count_flops(compute) / len(few)


def measure(variant: Variant, workload: Workload) -> Measurement:
    """One measurement of a variant over all images."""
    device, clock = workload.model.device, _clock(workload)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: dict[str, float] = {}
    ticks: list[Tick] = []
    outcomes: Outcomes = {}
    for name, one_pass in variant.passes.items():
        started = time.perf_counter()
        for run, question_id, outcome in one_pass(workload.questions, clock):
            outcomes[run, question_id] = outcome
            elapsed = time.perf_counter() - started
            ticks.append(Tick(elapsed, resident_bytes()))
        seconds[name] = time.perf_counter() - started
    stages = clock.totals()  # answers are read on the CPU, so nothing is left to wait for
    return Measurement(seconds, stages, peak_memory(device), ticks, outcomes)


def resident_bytes() -> int:
    """Memory of this process now; its largest so far where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return round(peak_memory(torch.device("cpu")).allocated * 1e9)
    return pages * resource.getpagesize()


def measure_variants(
    variants: Sequence[Variant],
    workload: Workload,
    repeats: int,
    tell: Callable[[str], None],
) -> dict[str, Measured]:
    """What was measured of each variant, by its key: all once in turn, so many times over."""
    measured: dict[str, Measured] = {}
    for variant in variants:
        tell(f"warming up and counting operations: {variant.title}")
        flop = warm_up(variant, workload)
        measured[variant.key] = Measured(variant.title, variant.batch_size, flop, [])
    for repeat, variant in _in_turn(variants, repeats):
        measurement = measure(variant, workload)
        measured[variant.key].measurements.append(measurement)
        rate = len(workload.questions) / measurement.total_seconds
        tell(f"{repeat} of {repeats}: {variant.title}: {rate:.3g} images/s")
    return measured


def _in_turn(variants: Sequence[Variant], repeats: int) -> Iterator[tuple[int, Variant]]:
    for repeat in range(1, repeats + 1):
        for variant in variants:
            yield repeat, variant


def load_seconds(workload: Workload) -> float:
    """Decoding and preprocessing of an image in one thread, by itself; the mean of a few."""
    paths = [workload.image_folder / q.image for q in workload.questions[:COUNTED_IMAGES]]
    started = time.perf_counter()
    for path in paths:
        workload.model.preprocess(read_image(path))
    return (time.perf_counter() - started) / len(paths)


def _clock(workload: Workload) -> StageClock:
    return StageClock(workload.model.device, workload.coarse_prompts)
