"""The benchmark from end to end: the reference apart, our variants in turn, compared."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sepm.bench.arithmetic import measure_ceiling, measure_prefill
from sepm.bench.measure import (
    Measured,
    load_seconds,
    measure_variants,
    our_variants,
    ratios,
    reference_variant,
    summarise,
)
from sepm.bench.request import BenchRequest
from sepm.bench.sameness import compare_all
from sepm.bench.workload import CONFIG, SEED, TASK, Workload, built
from sepm.errors import RunError
from sepm.inference.image_loader import worker_failures
from sepm.method.dropping import num_dropped
from sepm.models.device import Placement, choose_placement, environment, prepare_device
from sepm.models.memory import is_out_of_memory
from sepm.models.shapes import SHAPES, Shape


def bench(request: BenchRequest) -> dict[str, Any]:
    """Everything that was measured, as it goes into the JSON file.

    Raises:
        InputError: the device is not there, or the tokenizer.
        RunError: the model does not fit in memory.
    """
    place = choose_placement(request.device, request.dtype)
    shape = SHAPES[request.shape]
    try:
        wanted = "reference" in request.only
        reference = reference_apart(shape, place, request) if wanted else {}
        prepare_device(place.device)
        advised = worker_failures("Give smaller --batch-sizes")
        with built(shape, place, request) as workload, advised:
            return measure_all(request, workload, reference)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"shape {shape.name} does not fit in the memory of {place.device}: {error} "
            "Try --dtype float16, a smaller --batch-sizes, or leave parts out with --only"
        ) from error


def reference_apart(shape: Shape, place: Placement, request: BenchRequest) -> dict[str, Measured]:
    """The reference script's measurements, by its key, from a process of its own.

    An ordinary script has one: what a process has freed before decides what new memory costs it.
    It ends before our variants begin, so that two models are never in the device's memory.

    Raises:
        RunError: the process was killed.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as process:
        try:
            return process.submit(_reference, shape, place, request).result()
        except BrokenProcessPool as error:
            raise RunError(
                f"the reference script's process was killed, which mostly means that shape "
                f"{shape.name} does not fit in memory; leave it out with --only"
            ) from error


def _reference(shape: Shape, place: Placement, request: BenchRequest) -> dict[str, Measured]:
    prepare_device(place.device, keep_memory=False)  # no script tunes its C library
    with built(shape, place, request) as workload:
        return measure_variants([reference_variant(workload)], workload, request.repeats)


def measure_all(
    request: BenchRequest, workload: Workload, reference: dict[str, Measured]
) -> dict[str, Any]:
    """Every figure about a workload, the reference having been measured on the same."""
    variants = our_variants(request, workload)
    measured = reference | measure_variants(variants, workload, request.repeats)
    ceiling = measure_ceiling(workload, max(request.batch_sizes))
    tflops = ceiling["tflops"]
    summaries = {key: summarise(m, request.images, tflops) for key, m in measured.items()}
    outcomes = {key: m.measurements[0].outcomes for key, m in measured.items()}
    asked = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(request).items()}
    return {
        "settings": {**asked, "seed": SEED, "task": TASK, "cpus": os.cpu_count()},
        "environment": {**environment(workload.place), "threads": torch.get_num_threads()},
        "shape": asdict(workload.model.shape),
        "model": describe_model(workload),
        "load_ms_per_image": 1000 * load_seconds(workload),
        "ceiling": ceiling,
        "variants": summaries,
        "ratios": ratios({key: s["seconds"] for key, s in summaries.items()}),
        "prefill": list(measure_prefill(workload, request.batch_sizes, tflops)),
        "sameness": compare_all(outcomes),
    }


def describe_model(workload: Workload) -> dict[str, Any]:
    """Sizes that the cost depends on; those of the prompts are without the image."""
    model = workload.model
    queries = {query for run in workload.runs for query in workload.queries(run)}
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "visual_tokens": model.max_visual_tokens,
        "dropped_tokens": num_dropped(CONFIG.beta, model.max_visual_tokens),
        "prompt_ids": sorted(model.tokenize(query).num_text_tokens for query in queries),
        "tokenizer": "the bundled demo's tokenizer in LLaVA-1.5's template (vicuna_v1)",
    }
