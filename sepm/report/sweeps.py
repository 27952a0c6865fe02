"""Results of `sepm sensitivity`, read back; accuracies are computed from the counts."""

from pathlib import Path

import msgspec
from msgspec import Struct

from sepm.analysis.stored_run import MadeWith
from sepm.errors import InputError
from sepm.method.confidence import Variance

SENSITIVITY = "sensitivity.json"


class SweepPoint(Struct, frozen=True):
    """One value of α or β; raises ValueError unless 0 <= correct <= n."""

    value: float
    n: int
    correct: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n:
            raise ValueError(f"{self.correct} correct of n = {self.n}")


class SweepCurve(Struct, frozen=True):
    """The points of one setting."""

    points: tuple[SweepPoint, ...]


class Sweep(MadeWith, frozen=True, kw_only=True):
    """One `sensitivity.json`."""

    variance: Variance
    alpha: dict[Variance, SweepCurve]
    beta: SweepCurve
    path: Path = Path()
    """The file that it was read from."""


def read_sweeps(folder: Path) -> list[Sweep]:
    """Results of `sepm sensitivity` below a folder.

    Raises:
        InputError: a file is damaged.
    """
    sweeps: list[Sweep] = []
    for path in sorted(folder.rglob(SENSITIVITY)):
        try:
            sweep = msgspec.json.decode(path.read_bytes(), type=Sweep)
        except ValueError as error:
            raise InputError(f"{path}: not of sepm sensitivity ({error})") from error
        sweeps.append(msgspec.structs.replace(sweep, path=path))
    return sweeps
