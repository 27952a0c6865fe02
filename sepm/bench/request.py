"""The settings of one benchmark; the command line is made from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sepm.errors import InputError, require_known
from sepm.evaluation.request import check_batch_size
from sepm.models.options import Dtype
from sepm.models.shapes import SHAPES

Part = Literal["reference", "single", "batched", "methods", "once"]


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """The model's shape, what is measured, and how often.

    Raises:
        InputError: a value is unknown or out of its range.
    """

    shape: str = "0.3b"
    """Sizes of the model: 0.3b, llava-1.5-7b, vila1.5-8b, or demo, the smallest."""
    only: tuple[Part, ...] = get_args(Part)
    """Parts that are measured: a plain script on transformers alone, image by image (reference);
    SEPM at batch 1 (single); SEPM at each of --batch-sizes (batched); seven runs in one pass, and
    the same one after another (methods); SEPM whose image runs once, at one β and at five (once).
    """
    images: int = 8
    """Images of each measurement; starting to load them counts, so a fast device needs more."""
    repeats: int = 3
    """Measurements of each variant; ours are taken in turn."""
    batch_sizes: tuple[int, ...] = (8,)
    """Batch sizes; the largest is that of the parts methods and once."""
    device: str = "auto"
    """Device: auto, cpu, cuda, cuda:N or mps."""
    dtype: Dtype = "auto"
    """Precision; auto: float32 on a CPU, float16 elsewhere."""
    threads: int | None = None
    """Threads that compute on a CPU; unless given PyTorch's own."""
    output: Path | None = None
    """JSON file [results/bench/SHAPE.json]."""

    def __post_init__(self) -> None:
        require_known("shape", self.shape, SHAPES)
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
