"""The benchmark from end to end: build, warm up, measure in turn, compare."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sepm.bench import flops
from sepm.bench.images import write_images
from sepm.bench.letters import answer_with_letters
from sepm.bench.linearity import linearity
from sepm.bench.measure import Measurement, load_seconds, measure_in_turn, warm_up
from sepm.bench.request import BenchRequest
from sepm.bench.sameness import compare_all, read_off
from sepm.bench.shapes import Shape, get_shape
from sepm.bench.sharing import shared_logits
from sepm.bench.stages import FINE
from sepm.bench.summary import ratios, summarise
from sepm.bench.variants import (
    ALPHAS,
    CONFIG,
    SWEEP_RUNS,
    Variant,
    Workload,
    all_variants,
    asked_queries,
    batched,
)
from sepm.bench.weights import random_model
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import RunError
from sepm.evaluation.device import Placement, choose_placement, environment
from sepm.evaluation.progress import tell
from sepm.evaluation.runner import WINDOW_BATCHES
from sepm.images import read_image
from sepm.method.algorithm import coarse_query, scoring_span
from sepm.method.dialogue import Sample
from sepm.method.significance import num_dropped

SEED = 0
TASK = "emoset"
PROBE_IMAGES = 8
"""Images along which the output layer is laid."""
PROBE_QUERIES = ("coarse", "coarse, phrase", "ambiguous, phrase", "zero-shot")
"""Queries along which it is laid; the others end in much the same hidden states."""
PREFILL_TRIES = 3


def bench(request: BenchRequest) -> dict[str, Any]:
    """Everything that was measured, as it goes into the JSON file.

    Raises:
        InputError: the device is not there, or the tokenizer.
        RunError: the model does not fit in memory.
    """
    place = choose_placement(request.device, request.dtype)
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    shape = get_shape(request.shape)
    with tempfile.TemporaryDirectory(prefix="sepm-bench-") as folder:
        try:
            workload = build_workload(shape, place, request.images, Path(folder))
            return measure_all(request, workload, place)
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"shape {shape.name} does not fit in the memory of {place.device}: {error} "
                "Try --dtype float16, a smaller --batch-sizes, or leave parts out with --only"
            ) from error


def build_workload(shape: Shape, place: Placement, images: int, folder: Path) -> Workload:
    """A random model whose answers are letters, and images for it."""
    taxonomy = load_taxonomy(TASK)
    model = random_model(shape, place.device, place.dtype, SEED)
    tell(f"{shape.name}: random weights in memory; writing {images} images")
    questions = write_images(folder, images, taxonomy, SEED)
    probes = [model.preprocess(read_image(folder / q.image)) for q in questions[:PROBE_IMAGES]]
    queries = asked_queries(taxonomy)
    answer_with_letters(model, [queries[name] for name in PROBE_QUERIES], torch.stack(probes))
    return Workload(model, shape, taxonomy, questions, folder)


def measure_all(request: BenchRequest, workload: Workload, place: Placement) -> dict[str, Any]:
    """Every figure about a workload."""
    variants = all_variants(request, workload, SEED)
    flop_per_image: dict[str, float] = {}
    for variant in variants:
        tell(f"warming up and counting operations: {variant.title}")
        flop_per_image[variant.key] = warm_up(variant, workload)
    ceiling = measure_ceiling(workload, place, request.largest_batch)
    measured = measure_in_turn(variants, workload, request.repeats, tell)
    summaries = {
        v.key: summarise(
            v, measured[v.key], request.images, flop_per_image[v.key], ceiling["tflops"]
        )
        for v in variants
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
        "linearity": _linearity(variants, measured, largest),
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


def outcomes_of(measured: dict[str, list[Measurement]]) -> dict[str, Any]:
    """The outcomes of each variant's first repeat, the sweep's read off at SEPM's own α."""
    outcomes = {key: measurements[0].outcomes for key, measurements in measured.items()}
    if "sweep" in outcomes:
        outcomes["sweep"] = read_off(outcomes["sweep"])
    return outcomes


def sweep_facts(measurements: Sequence[Measurement], images: int) -> dict[str, Any]:
    """How many images paid a second fine pass, and for how many two fine queries were needed."""
    first = measurements[0]
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


def _linearity(
    variants: Sequence[Variant], measured: dict[str, list[Measurement]], largest: str
) -> dict[str, Any] | None:
    """Of the first repeat of the batched variant, where it was measured and is long enough."""
    for variant in variants:
        if variant.key == largest:
            window = variant.batch_size * WINDOW_BATCHES
            return linearity(measured[largest][0].ticks, window)
    return None
