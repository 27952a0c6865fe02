"""What an audit computes, and what it compares."""

from dataclasses import replace
from typing import Any

import pytest

from sepm.audit.variants import REFERENCE, Comparison, Variant, comparisons, default_precisions

HALF = replace(REFERENCE, dtype="float16")
FAST = Variant("float32", 8, together=True)
FAST_HALF = replace(FAST, dtype="float16")
BY_ITSELF = [(REFERENCE, HALF), (REFERENCE, FAST_HALF), (HALF, FAST_HALF)]


@pytest.mark.parametrize(
    ("precisions", "batch_size", "reference", "pairs"),
    [
        (["float32"], 8, REFERENCE, [(REFERENCE, FAST)]),
        (["float16"], 8, REFERENCE, BY_ITSELF),
        # A precision named twice is compared once.
        (["float32", "float16", "float32"], 8, REFERENCE, [(REFERENCE, FAST), *BY_ITSELF]),
        # One pass of batch 1 is still compared for what it shares.
        (["float32"], 1, REFERENCE, [(REFERENCE, replace(FAST, batch_size=1))]),
        # Where float32 does not fit, half precision at batch 1 is the reference.
        (["float16"], 8, HALF, [(HALF, FAST_HALF)]),
    ],
)
def test_precision_and_batches_are_compared_by_themselves(
    precisions: Any, batch_size: int, reference: Variant, pairs: list[Comparison]
) -> None:
    assert comparisons(precisions, batch_size, reference) == pairs


@pytest.mark.parametrize(("device", "half"), [("cpu", "bfloat16"), ("cuda", "float16")])
def test_the_half_precision_is_the_one_that_the_device_is_fast_in(device: str, half: str) -> None:
    assert default_precisions(device) == ("float32", half)
