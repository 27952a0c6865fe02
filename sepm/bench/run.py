"""The benchmark from end to end: the reference apart, our variants in turn, compared."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sepm.bench import flops
from sepm.bench.apart import reference_apart
from sepm.bench.build import SEED, TASK, built
from sepm.bench.linearity import linearity
from sepm.bench.measure import Measured, load_seconds, measure_variants
from sepm.bench.request import BenchRequest
from sepm.bench.sameness import compare_all, read_off
from sepm.bench.shapes import get_shape
from sepm.bench.sharing import shared_logits
from sepm.bench.stages import FINE
from sepm.bench.summary import ratios, summarise
from sepm.bench.variants import (
    ALPHAS,
    CONFIG,
    SWEEP_RUNS,
    Workload,
    asked_queries,
    batched,
    our_variants,
)
from sepm.datasets.image_files import read_image
from sepm.errors import RunError
from sepm.inference.batch_size import is_out_of_memory
from sepm.inference.image_loader import worker_failures
from sepm.inference.runner import WINDOW_BATCHES
from sepm.method.algorithm import coarse_query, scoring_span
from sepm.method.dialogue import Sample
from sepm.method.significance import num_dropped
from sepm.models.device import Placement, choose_placement, environment, prepare_device
from sepm.progress import tell

PREFILL_TRIES = 3


def bench(request: BenchRequest) -> dict[str, Any]:
    """Everything that was measured, as it goes into the JSON file.

    Raises:
        InputError: the device is not there, or the tokenizer.
        RunError: the model does not fit in memory.
    """
    place = choose_placement(request.device, request.dtype)
    shape = get_shape(request.shape)
    try:
        reference: dict[str, Measured] = {}
        if "reference" in request.only:
            reference = reference_apart(shape, place, request)
        prepare_device(place.device)
        with (
            built(shape, place, request) as workload,
            worker_failures("Give smaller --batch-sizes"),
        ):
            return measure_all(request, workload, place, reference)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"shape {shape.name} does not fit in the memory of {place.device}: {error} "
            "Try --dtype float16, a smaller --batch-sizes, or leave parts out with --only"
        ) from error


def measure_all(
    request: BenchRequest, workload: Workload, place: Placement, reference: dict[str, Measured]
) -> dict[str, Any]:
    """Every figure about a workload, the reference having been measured on the same."""
    variants = our_variants(request, workload)
    measured = reference | measure_variants(variants, workload, request.repeats, tell)
    ceiling = measure_ceiling(workload, place, request.largest_batch)
    summaries = {
        key: summarise(of_variant, request.images, ceiling["tflops"])
        for key, of_variant in measured.items()
    }
    largest = batched(request.largest_batch)
    return {
        "settings": settings(request),
        "environment": {**environment(place), "threads": torch.get_num_threads()},
        "shape": asdict(workload.shape),
        "model": describe_model(workload),
        "load_ms_per_image": 1000 * load_seconds(workload),
        "ceiling": ceiling,
        "variants": summaries,
        "ratios": ratios(summaries, largest),
        "prefill": measure_prefill(workload, place, request, ceiling["tflops"]),
        "shared_logits": shared_logits(workload),
        "sameness": compare_all(outcomes_of(measured)),
        "sweep": sweep_facts(measured["sweep"], request.images) if "sweep" in measured else None,
        "linearity": _linearity(measured, largest),
    }


def settings(request: BenchRequest) -> dict[str, Any]:
    """What the command was asked for, and what is fixed."""
    asked = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(request).items()}
    return {**asked, "seed": SEED, "task": TASK, "alphas": ALPHAS, "cpus": os.cpu_count()}


def describe_model(workload: Workload) -> dict[str, Any]:
    """Sizes that the cost depends on."""
    model = workload.model
    tokens = model.num_visual_tokens
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "visual_tokens": tokens,
        "dropped_tokens": num_dropped(CONFIG.beta, tokens),
        "prompt_ids": {
            name: len(model.tokenize(text)) - 1  # without the image's placeholder
            for name, text in asked_queries(workload.taxonomy).items()
        },
        "tokenizer": "the bundled demo's tokenizer in LLaVA-1.5's template (vicuna_v1)",
    }


def measure_ceiling(workload: Workload, place: Placement, batch_size: int) -> dict[str, Any]:
    """The fastest of the model's own matrix products."""
    text = asked_queries(workload.taxonomy)["coarse, phrase"]
    length = len(workload.model.tokenize(text)) - 1 + workload.model.num_visual_tokens
    products = flops.own_products(workload.shape.language, batch_size * length)
    speeds = [flops.product_tflops(p, place.device, place.dtype) for p in products]
    rows = [{**asdict(p), "tflops": s} for p, s in zip(products, speeds, strict=True)]
    return {"tflops": max(speeds), "products": rows}


def measure_prefill(
    workload: Workload, place: Placement, request: BenchRequest, ceiling_tflops: float
) -> list[dict[str, Any]]:
    """The coarse prefill by itself, at each batch size."""
    model, taxonomy = workload.model, workload.taxonomy
    query = coarse_query(Sample("", model.num_visual_tokens), taxonomy, CONFIG, phrase=True)
    span = scoring_span(query, CONFIG)
    assert span is not None, "the configuration drops by FoE scores"
    image = model.preprocess(read_image(workload.image_folder / workload.questions[0].image))
    tokens = model.encode(image[None])
    results: list[dict[str, Any]] = []
    for size in dict.fromkeys(request.batch_sizes):
        action = flops.prefill_action(model, query.text, span, tokens.repeat(size, 1, 1))
        flop = flops.count_flops(action)  # which warms it up too
        seconds = flops.seconds_of(action, place.device, PREFILL_TRIES)
        speed = flops.tflops(flop, seconds)
        results.append(
            {
                "batch_size": size,
                "seconds": seconds,
                "tflop": flop / 1e12,
                "tflops": speed,
                "share_of_ceiling": speed / ceiling_tflops,
            }
        )
    return results


def outcomes_of(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The outcomes of each variant's first repeat, the sweep's read off at SEPM's own α."""
    outcomes = {key: of_variant.measurements[0].outcomes for key, of_variant in measured.items()}
    if "sweep" in outcomes:
        outcomes["sweep"] = read_off(outcomes["sweep"])
    return outcomes


def sweep_facts(sweep: Measured, images: int) -> dict[str, Any]:
    """How many images paid a second fine pass, and for how many two fine queries were needed."""
    first = sweep.measurements[0]
    low_run, _ = SWEEP_RUNS
    confidences = [
        outcome.coarse.confidence
        for (run, _), outcome in first.outcomes.items()
        if run == low_run and outcome.coarse is not None
    ]
    return {
        "alphas": ALPHAS,
        "images": images,
        "second_fine_passes": first.stages[FINE].rows - images,
        "confidences_between": sum(min(ALPHAS) < c <= max(ALPHAS) for c in confidences),
    }


def _linearity(measured: Mapping[str, Measured], largest: str) -> dict[str, Any] | None:
    """Of the first repeat of the batched variant, where it was measured and is long enough."""
    if largest not in measured:
        return None
    window = measured[largest].batch_size * WINDOW_BATCHES
    return linearity(measured[largest].measurements[0].ticks, window)
