"""What an audit computes, and what it compares."""

from dataclasses import replace

import pytest

from sepm.audit.variants import REFERENCE, Variant, comparisons, default_precisions


def test_float32_is_compared_in_one_pass_with_the_reference() -> None:
    assert comparisons(["float32"], 8) == [(REFERENCE, Variant("float32", 8, together=True))]


def test_half_precision_and_its_batches_are_told_apart() -> None:
    alone, fast = Variant("float16", 1, together=False), Variant("float16", 8, together=True)
    assert comparisons(["float16"], 8) == [(REFERENCE, alone), (REFERENCE, fast), (alone, fast)]


def test_a_precision_named_twice_is_compared_once() -> None:
    assert len(comparisons(["float32", "bfloat16", "float32"], 4)) == 4


def test_one_pass_of_batch_1_is_still_compared_for_what_it_shares() -> None:
    assert comparisons(["float32"], 1) == [(REFERENCE, Variant("float32", 1, together=True))]


@pytest.mark.parametrize(("device", "half"), [("cpu", "bfloat16"), ("cuda", "float16")])
def test_the_half_precision_is_the_one_that_the_device_is_fast_in(device: str, half: str) -> None:
    assert default_precisions(device) == ("float32", half)


def test_where_float32_does_not_fit_half_precision_at_batch_1_is_the_reference() -> None:
    half = replace(REFERENCE, dtype="float16")
    fast = Variant("float16", 8, together=True)
    assert comparisons(["float16"], 8, half) == [(half, fast)]
