"""What one benchmark is asked to do; the command line is made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sepm.bench.shapes import SHAPES, get_shape
from sepm.errors import InputError, unknown_name
from sepm.evaluation.request import Dtype, check_batch_size

MINIMUM_IMAGES = 2

PARTS = {
    "reference": "a plain script on transformers alone, image by image",
    "single": "SEPM at batch 1",
    "batched": "SEPM at each of --batch-sizes",
    "methods": "seven runs in one pass, and the same one after another",
    "sweep": "the sensitivity to α, beside one batched run",
}
"""What can be measured, by its name on the command line."""


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """The model's shape, what is measured, and how often.

    Raises:
        InputError: a value is unknown or out of its range.
    """

    shape: Annotated[str, f"sizes of the model: {', '.join(SHAPES)}"] = "0.3b"
    only: tuple[str, ...] = tuple(PARTS)
    """Names of `PARTS`."""
    images: Annotated[
        int, "images of each measurement; starting to load them counts, so a fast device needs more"
    ] = 8
    repeats: Annotated[int, "measurements of each variant; ours are taken in turn"] = 3
    batch_sizes: tuple[int, ...] = (8,)
    """The largest is that of the parts methods and sweep."""
    device: Annotated[str, "auto, cpu, cuda, cuda:N or mps"] = "auto"
    dtype: Annotated[Dtype, "precision; auto: float32 on a CPU, float16 elsewhere"] = "auto"
    threads: Annotated[int | None, "threads that compute on a CPU; unless given PyTorch's own"] = (
        None
    )
    output: Annotated[Path | None, "JSON file; unless given results/bench/<shape>.json"] = None

    def __post_init__(self) -> None:
        get_shape(self.shape)
        for name in self.only:
            if name not in PARTS:
                raise InputError(unknown_name("part of the benchmark", name, PARTS))
        if self.images < MINIMUM_IMAGES:
            raise InputError(
                f"images must be at least {MINIMUM_IMAGES}, got {self.images}: the random model's "
                "answers are made to differ between images"
            )
        if self.repeats < 1:
            raise InputError(f"repeats must be at least 1, got {self.repeats}")
        for size in self.batch_sizes:
            check_batch_size(size)
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads must be at least 1, got {self.threads}")

    @property
    def output_file(self) -> Path:
        """Where the JSON goes."""
        return self.output or Path("results") / "bench" / f"{self.shape}.json"

    @property
    def largest_batch(self) -> int:
        """The batch size of what is measured at one batch size only."""
        return max(self.batch_sizes)

    @property
    def measured_batch_sizes(self) -> tuple[int, ...]:
        """Batch sizes at which SEPM alone is measured; the sweep is compared with the largest."""
        single = (1,) if "single" in self.only else ()
        several = self.batch_sizes if "batched" in self.only else ()
        compared = (self.largest_batch,) if "sweep" in self.only else ()
        return tuple(dict.fromkeys((*single, *several, *compared)))
