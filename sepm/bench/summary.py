"""From raw timings to what is printed: medians, rates, shares and ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from sepm.bench.measure import Measured, Measurement


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def summarise(measured: Measured, images: int, ceiling_tflops: float) -> dict[str, Any]:
    """A variant's figures and the raw timings that they come from."""
    measurements, flop_per_image = measured.measurements, measured.flop_per_image
    seconds = [m.total_seconds for m in measurements]
    tflops = flop_per_image * images / median(seconds) / 1e12
    return {
        "title": measured.title,
        "batch_size": measured.batch_size,
        "seconds": [m.seconds for m in measurements],
        "images_per_second": spread([images / s for s in seconds]),
        "stages_ms_per_image": stage_times(measurements, images),
        "stages": [{name: asdict(s) for name, s in m.stages.items()} for m in measurements],
        "peak_memory_gb": max(m.peak_memory_gb for m in measurements),
        "tflop_per_image": flop_per_image / 1e12,
        "tflops": tflops,
        "share_of_ceiling": tflops / ceiling_tflops,
    }


def stage_times(measurements: Sequence[Measurement], images: int) -> dict[str, float]:
    """Milliseconds per image in each stage, the median of the repeats."""
    names = dict.fromkeys(name for m in measurements for name in m.stages)
    return {
        name: median([1000 * m.stages[name].seconds / images for m in measurements])
        for name in names
    }


def ratios(summaries: Mapping[str, Mapping[str, Any]], largest_batch: str) -> list[dict[str, Any]]:
    """How many times as long one variant takes as another, within each repeat.

    Args:
        summaries: by variant.
        largest_batch: key of the batched variant that the sweep is compared with.
    """
    ours = [key for key in summaries if key.startswith("batch-")]
    pairs = [
        *(("reference", key) for key in ours),
        *(("batch-1", key) for key in ours if key != "batch-1"),
        ("separate", "together"),
        ("sweep", largest_batch),
    ]
    return [
        {"numerator": long, "denominator": short, **_ratio(summaries[long], summaries[short])}
        for long, short in pairs
        if long in summaries and short in summaries
    ]


def _ratio(long: Mapping[str, Any], short: Mapping[str, Any]) -> dict[str, float]:
    repeats = zip(long["seconds"], short["seconds"], strict=True)
    return spread([sum(a.values()) / sum(b.values()) for a, b in repeats])
