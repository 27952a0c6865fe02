"""Arithmetic: how much of it there is, and how fast plain matrix products go on the device."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any

import torch
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from sepm.bench.stages import now
from sepm.bench.workload import SEPM, Workload
from sepm.models.device import Placement
from sepm.models.shapes import LanguageShape

CPU_ATTENTION: dict[Any, Any] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)
    )
}
"""SDPA on a CPU, which the counter does not know by itself; it is given shapes [B, H, T, d]."""
TIMED_SECONDS = 0.25
"""Time for which an action is repeated, at least once, after a first one."""


def count_flops(action: Callable[[], object]) -> int:
    """Floating-point operations of the action's matrix products, convolutions and attention.

    A multiplication and an addition are two. Attention counts in full, also above the diagonal,
    which a causal kernel may leave out.
    """
    with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        action()
    return counter.get_total_flops()


def seconds_of(action: Callable[[], object], device: torch.device) -> Sequence[float]:
    """Seconds that the action takes, several times over where it is quick."""
    clock, threads = partial(now, device), torch.get_num_threads()
    timer = Timer("action()", timer=clock, globals={"action": action}, num_threads=threads)
    return timer.blocked_autorange(min_run_time=TIMED_SECONDS).times


def measure_ceiling(workload: Workload, batch_size: int) -> dict[str, Any]:
    """The fastest of the products [m, k] × [k, n] that a coarse prefill consists of, most of all.

    Speeds are in 10¹² operations a second, each the best of several tries.
    """
    model = workload.model
    prompt = model.tokenize(workload.queries(SEPM)[0])
    positions = batch_size * (prompt.num_text_tokens + model.max_visual_tokens)
    products = [
        {"m": m, "k": k, "n": n, "tflops": _product_tflops(m, k, n, workload.place)}
        for m, k, n in own_products(model.shape.language, positions)
    ]
    return {"tflops": max(product["tflops"] for product in products), "products": products}


def own_products(shape: LanguageShape, positions: int) -> list[tuple[int, int, int]]:
    """Sizes m, k, n of the layers' products over so many positions."""
    width, inner = shape.hidden_size, shape.intermediate_size
    return [(positions, k, n) for k, n in ((width, width), (width, inner), (inner, width))]


def _product_tflops(m: int, k: int, n: int, place: Placement) -> float:
    """Best speed of a product on the device and in the precision of the language model."""
    where = {"device": place.device, "dtype": place.dtype}
    left, right = torch.rand(m, k, **where), torch.rand(k, n, **where)
    out = left @ right
    seconds = seconds_of(lambda: torch.mm(left, right, out=out), place.device)
    return 2 * m * k * n / min(seconds) / 1e12


def measure_prefill(
    workload: Workload, batch_sizes: Sequence[int], ceiling_tflops: float
) -> Iterator[dict[str, Any]]:
    """The coarse prefill by itself, whole prompts, at each batch size; medians."""
    for size in dict.fromkeys(batch_sizes):
        prefill = workload.coarse_prefill(size)
        flop = count_flops(prefill)  # which warms it up too
        seconds = median(seconds_of(prefill, workload.model.device))
        tflops = flop / seconds / 1e12
        yield {
            "batch_size": size,
            "ms_per_image": 1000 * seconds / size,
            "tflop": flop / 1e12,
            "tflops": tflops,
            "share_of_ceiling": tflops / ceiling_tflops,
        }
