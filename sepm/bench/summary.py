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
        "peak_memory_gb": max(m.peak_memory.allocated for m in measurements),
        "peak_reserved_gb": max(
            (m.peak_memory.reserved for m in measurements if m.peak_memory.reserved is not None),
            default=None,
        ),
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
    """How many times as long one variant takes as another.

    Ours are compared within each repeat, since they are measured in turn. The reference's repeats
    come before all of ours: there it is the ratio of medians, and what lies furthest apart.

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
    seconds = {
        key: [sum(passes.values()) for passes in summary["seconds"]]
        for key, summary in summaries.items()
    }
    return [
        {
            "numerator": long,
            "denominator": short,
            **_ratio(seconds[long], seconds[short], in_turn=long != "reference"),
        }
        for long, short in pairs
        if long in seconds and short in seconds
    ]


def _ratio(long: Sequence[float], short: Sequence[float], *, in_turn: bool) -> dict[str, float]:
    """Of the seconds of each repeat."""
    if in_turn:
        return spread([a / b for a, b in zip(long, short, strict=True)])
    return {
        "median": median(long) / median(short),
        "min": min(long) / max(short),
        "max": max(long) / min(short),
    }
