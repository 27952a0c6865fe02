"""Arithmetic: how much of it there is, and how fast plain matrix products go on the device."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from llava import Llava
from sepm.bench.shapes import LanguageShape
from sepm.bench.stages import synchronize
from sepm.method.prompts import Span

CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
"""SDPA on a CPU, which the counter does not know by itself."""

CEILING_TRIES = 5
CEILING_SECONDS = 0.05
"""At least so long is a product repeated, so that the clock's grain does not matter."""


def count_flops(action: Callable[[], object]) -> int:
    """Floating-point operations of the action's matrix products, convolutions and attention.

    A multiplication and an addition are two. Attention counts in full, also above the diagonal,
    which a causal kernel may leave out.
    """
    with FlopCounterMode(display=False, custom_mapping={CPU_ATTENTION: _attention}) as counter:
        action()
    return counter.get_total_flops()


def _attention(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Operations of attention over shapes [B, H, T, d]."""
    return sdpa_flop_count(query, key, value)


@dataclass(frozen=True)
class Product:
    """A matrix product [m, k] × [k, n]."""

    m: int
    k: int
    n: int

    @property
    def flop(self) -> int:
        """Its operations."""
        return 2 * self.m * self.k * self.n


def own_products(shape: LanguageShape, positions: int) -> list[Product]:
    """The products that a batch of so many positions consists of, most of all."""
    width, inner = shape.hidden_size, shape.intermediate_size
    sizes = ((width, width), (width, inner), (inner, width))
    return [Product(positions, k, n) for k, n in sizes]


def product_tflops(
    product: Product, device: torch.device, dtype: torch.dtype, tries: int = CEILING_TRIES
) -> float:
    """Best speed of several tries at a product, in 10¹² operations a second."""
    left, right = (
        torch.rand(rows, columns, device=device, dtype=dtype)
        for rows, columns in ((product.m, product.k), (product.k, product.n))
    )
    out = left @ right

    def seconds_of(times: int) -> float:
        synchronize(device)
        started = time.perf_counter()
        for _ in range(times):
            torch.mm(left, right, out=out)
        synchronize(device)
        return (time.perf_counter() - started) / times

    times = max(1, round(CEILING_SECONDS / max(seconds_of(1), 1e-9)))
    return product.flop / min(seconds_of(times) for _ in range(tries)) / 1e12


def prefill_action(
    model: Llava, query: str, scored_by: Span, visual_tokens: torch.Tensor
) -> Callable[[], object]:
    """A prefill of one query about float[B, N, D], with the attention of some of its tokens."""
    prompt = model.tokenize(query)
    rows = prompt.positions_of(*scored_by)
    prompts = [prompt] * len(visual_tokens)
    return lambda: model.prefill(prompts, visual_tokens, attention_rows=rows)


def seconds_of(action: Callable[[], object], device: torch.device, tries: int) -> Sequence[float]:
    """How long the action takes, several times over."""
    seconds: list[float] = []
    for _ in range(tries):
        synchronize(device)
        started = time.perf_counter()
        action()
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return seconds


def tflops(flop: int, seconds: Sequence[float]) -> float:
    """Speed of the median try, in 10¹² operations a second."""
    return flop / median(seconds) / 1e12
