"""The settings of one benchmark; the command line is made from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sepm.errors import InputError, require_known
from sepm.evaluation.request import check_batch_size
from sepm.models.options import Dtype
from sepm.models.shapes import SHAPES

PARTS = {
    "reference": "a plain script on transformers alone, image by image",
    "single": "SEPM at batch 1",
    "batched": "SEPM at each of --batch-sizes",
    "methods": "seven runs in one pass, and the same one after another",
}
"""Parts that can be measured, by their names on the command line."""


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
    batch_sizes: Annotated[
        tuple[int, ...], "batch sizes; the largest is that of the part methods"
    ] = (8,)
    device: Annotated[str, "auto, cpu, cuda, cuda:N or mps"] = "auto"
    dtype: Annotated[Dtype, "precision; auto: float32 on a CPU, float16 elsewhere"] = "auto"
    threads: Annotated[int | None, "threads that compute on a CPU; unless given PyTorch's own"] = (
        None
    )
    output: Annotated[Path | None, "JSON file; unless given results/bench/<shape>.json"] = None

    def __post_init__(self) -> None:
        require_known("shape", self.shape, SHAPES)
        for part in self.only:
            require_known("part of the benchmark", part, PARTS)
        if self.images < 2:
            raise InputError(
                f"images must be at least 2, got {self.images}: the random model's "
                "answers are made to differ between images"
            )
        for name in ("repeats", "threads"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        for size in self.batch_sizes:
            check_batch_size(size)

    @property
    def output_file(self) -> Path:
        """Path of the JSON file."""
        return self.output or Path("results") / "bench" / f"{self.shape}.json"

    @property
    def measured_batch_sizes(self) -> tuple[int, ...]:
        """Batch sizes at which SEPM alone is measured."""
        single = (1,) if "single" in self.only else ()
        several = self.batch_sizes if "batched" in self.only else ()
        return tuple(dict.fromkeys((*single, *several)))
