"""Measuring: variants once each in every repeat, so that a noisy machine troubles all alike."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from sepm.bench.arithmetic import count_flops
from sepm.bench.reference import Reference
from sepm.bench.request import BenchRequest
from sepm.bench.stages import StageClock
from sepm.bench.workload import CONFIG, SEPM, Workload, image_once
from sepm.datasets.question_file import Question
from sepm.errors import RunError
from sepm.inference.batch_size import Batcher
from sepm.inference.runner import run_questions
from sepm.method.dialogue import Outcome
from sepm.models.device import PeakMemory, peak_memory
from sepm.models.transformers_parts import transformers_parts
from sepm.progress import tell
from sepm.registry import MethodRun

COUNTED_IMAGES = 8
"""Number of images that warm a variant up and have its operations counted."""

BETAS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Values of β in the sweep behind one pass of the image."""

Outcomes = dict[tuple[str, str], Outcome]
"""Decisions by run and question id."""
Answers = Iterator[tuple[tuple[str, str], Outcome]]
Pass = Callable[[Sequence[Question], StageClock], Answers]
"""Some runs over the questions."""


@dataclass(frozen=True)
class Variant:
    """One way to compute, as one or several passes that are measured together."""

    key: str
    title: str
    passes: Sequence[Pass]


def reference_variant(workload: Workload) -> Variant:
    """The reference script, which our variants are compared with."""
    reference = Reference(workload.model, transformers_parts(workload.model))

    def run(questions: Sequence[Question], clock: StageClock) -> Answers:
        for question in questions:
            image = workload.image_folder / question.image
            outcome = reference.run(workload.dialogue(SEPM, question), image, clock)
            yield (SEPM, question.question_id), outcome

    return Variant("reference", "reference script", [run])


def our_variants(request: BenchRequest, workload: Workload) -> list[Variant]:
    """Our variants among those asked for, in the order in which they are measured."""
    sepm, size = {SEPM: workload.runs[SEPM]}, max(request.batch_sizes)
    variants = [
        Variant(f"batch-{n}", f"sepm, batch {n}", [our_pass(workload, sepm, n)])
        for n in request.measured_batch_sizes
    ]
    if "methods" in request.only:
        apart = [our_pass(workload, {name: run}, size) for name, run in workload.runs.items()]
        together = [our_pass(workload, workload.runs, size)]
        variants += [
            Variant("separate", f"seven runs apart, batch {size}", apart),
            Variant("together", f"seven runs together, batch {size}", together),
        ]
    if "once" in request.only:
        once, sweep = (our_pass(workload, image_once(b), size) for b in ((CONFIG.beta,), BETAS))
        title = "sepm, the image once"
        variants += [
            Variant(f"once-{size}", f"{title}, batch {size}", [once]),
            Variant("sweep", f"{title}, {len(BETAS)} β in one pass, batch {size}", [sweep]),
        ]
    return variants


def our_pass(workload: Workload, runs: Mapping[str, MethodRun], batch_size: int) -> Pass:
    """Some runs in one pass, as `sepm eval` computes them."""

    def run(questions: Sequence[Question], clock: StageClock) -> Answers:
        model, taxonomy, folder = workload.model, workload.taxonomy, workload.image_folder
        names, methods, batcher = list(runs), list(runs.values()), Batcher(batch_size, tell)
        results = run_questions(model, questions, methods, taxonomy, folder, batcher)
        with clock.timing(model):
            for result in results:
                assert result.outcome is not None, "the images are ours and can be read"
                yield (names[result.run], result.question.question_id), result.outcome
        if batcher.size != batch_size:
            raise RunError(
                f"memory does not suffice for batches of {batch_size}, only of {batcher.size}: "
                f"give --batch-sizes {batcher.size}"
            )

    return run


@dataclass(frozen=True)
class Measurement:
    """One repeat of a variant over all images."""

    seconds: float
    stages: dict[str, float]
    """Seconds of each stage."""
    peak_memory: PeakMemory
    outcomes: Outcomes


@dataclass(frozen=True)
class Measured:
    """A variant and its measurements; unlike the variant it can be sent to another process."""

    title: str
    flop_per_image: float
    measurements: list[Measurement]
    """One for each repeat."""


def measure_variants(
    variants: Sequence[Variant], workload: Workload, repeats: int
) -> dict[str, Measured]:
    """Measurements of each variant, by its key: all once in turn, so many times over."""
    measured: dict[str, Measured] = {}
    few = workload.questions[:COUNTED_IMAGES]
    for variant in variants:
        tell(f"warming up and counting operations: {variant.title}")
        flop = count_flops(lambda variant=variant: measure(variant, workload, few))
        measured[variant.key] = Measured(variant.title, flop / len(few), [])
    for repeat in range(1, repeats + 1):
        for variant in variants:
            measurement = measure(variant, workload, workload.questions)
            measured[variant.key].measurements.append(measurement)
            rate = len(workload.questions) / measurement.seconds
            tell(f"{repeat} of {repeats}: {variant.title}: {rate:.3g} images/s")
    return measured


def measure(variant: Variant, workload: Workload, questions: Sequence[Question]) -> Measurement:
    """One repeat of a variant; its answers are on the CPU, so no pass leaves work to wait for."""
    device = workload.model.device
    clock = StageClock(device, workload.coarse_prompts)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    outcomes = dict(answer for one in variant.passes for answer in one(questions, clock))
    seconds = time.perf_counter() - started
    return Measurement(seconds, clock.totals(), peak_memory(device), outcomes)


def load_seconds(workload: Workload) -> float:
    """Mean time to decode and preprocess an image in one thread, by itself."""
    started = time.perf_counter()
    images = len(workload.pixels(COUNTED_IMAGES))
    return (time.perf_counter() - started) / images


def summarise(measured: Measured, images: int, ceiling_tflops: float) -> dict[str, Any]:
    """A variant's figures and the raw timings that they come from."""
    measurements = measured.measurements
    seconds = [m.seconds for m in measurements]
    tflop = measured.flop_per_image / 1e12
    tflops = tflop * images / median(seconds)
    reserved = [m.peak_memory.reserved for m in measurements]
    return {
        "title": measured.title,
        "seconds": seconds,
        "images_per_second": spread([images / s for s in seconds]),
        "stages_ms_per_image": {
            name: median([1000 * m.stages[name] / images for m in measurements])
            for name in measurements[0].stages
        },
        "peak_memory_gb": max(m.peak_memory.allocated for m in measurements),
        "peak_reserved_gb": max((gb for gb in reserved if gb is not None), default=None),
        "tflop_per_image": tflop,
        "tflops": tflops,
        "share_of_ceiling": tflops / ceiling_tflops,
    }


def ratios(seconds: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Ratios of time: how many times as long one variant takes as another.

    Ours are compared within each repeat, since they are measured in turn. The reference's repeats
    come before all of ours: there it is the ratio of medians, and what lies furthest apart.
    """
    ours = [key for key in seconds if key.startswith("batch-")]
    pairs = [("reference", key) for key in ours]
    pairs += [("batch-1", key) for key in ours if key != "batch-1"]
    found = []
    pairs += [(f"once-{key[6:]}", key) for key in ours]
    pairs += [("sweep", key) for key in seconds if key.startswith("once-")]
    for pair in (*pairs, ("separate", "together")):
        if seconds.keys() >= set(pair):
            long, short = (seconds[key] for key in pair)
            ratio = spread([a / b for a, b in zip(long, short, strict=True)])
            if pair[0] == "reference":
                ratio["median"] = median(long) / median(short)
                ratio |= {"min": min(long) / max(short), "max": max(long) / min(short)}
            found.append({"numerator": pair[0], "denominator": pair[1], **ratio})
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": median(values), "min": min(values), "max": max(values)}
