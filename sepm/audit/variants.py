"""Variants of computing that an audit compares with each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sepm.analysis.decision_changes import NEAR_TIE

Precision = Literal["float32", "float16", "bfloat16"]

LARGEST_TIE: dict[Precision, float] = {"float32": 1e-4, "float16": NEAR_TIE, "bfloat16": NEAR_TIE}
"""Margin up to which rounding in that precision may turn a decision."""


@dataclass(frozen=True)
class Variant:
    """One way of computing all methods."""

    dtype: Precision
    batch_size: int
    together: bool
    """All methods in one pass, sharing what they have in common; else each by itself."""

    def __str__(self) -> str:
        methods = "all methods in one pass" if self.together else "each method by itself"
        return f"{self.dtype}, batch {self.batch_size}, {methods}"


REFERENCE = Variant("float32", 1, together=False)
"""Variant that every other has to agree with, where float32 weights fit in memory."""

Comparison = tuple[Variant, Variant]
"""The variant that serves as reference, and the one that is compared with it."""


def default_precisions(device_type: str) -> tuple[Precision, Precision]:
    """Float32, and the half precision of a device.

    Few CPUs have instructions for float16, and without them it is computed slowly; bfloat16 is
    fast on many. Elsewhere ("cuda", "mps") float16 is what the checkpoints were made for.
    """
    return "float32", "bfloat16" if device_type == "cpu" else "float16"


def comparisons(
    precisions: Sequence[Precision], batch_size: int, reference: Variant = REFERENCE
) -> list[Comparison]:
    """Comparisons of an audit, so that both the precision and the batches are tried by themselves.

    One pass in the reference's own precision is compared with the reference; of any other precision
    batch 1 and one pass are, and these two with each other.
    """
    found: list[Comparison] = []
    for dtype in dict.fromkeys(precisions):
        alone, fast = Variant(dtype, 1, together=False), Variant(dtype, batch_size, together=True)
        if alone == reference:
            found.append((reference, fast))
        else:
            found += [(reference, alone), (reference, fast), (alone, fast)]
    return found
