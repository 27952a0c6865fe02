"""Accuracies that others report for zero-shot and SEPM on newer models, and what n they imply."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sepm.analysis.printed_percent import Printed
from sepm.method.config import PRESETS
from sepm.registry import METHODS

CHECKPOINTS = {
    **dict.fromkeys(("Qwen2.5-VL-7B-Instruct", "Qwen2.5-VL-7B"), "Qwen2.5-VL-7B"),
    **dict.fromkeys(("Qwen3-VL-4B-Instruct", "Qwen3-VL-4B"), "Qwen3-VL-4B"),
    **dict.fromkeys(("Qwen3-VL-8B-Instruct", "Qwen3-VL-8B"), "Qwen3-VL-8B"),
    **dict.fromkeys(("InternVL3_5-8B-HF", "InternVL3_5-8B"), "InternVL3.5-8B"),
    **dict.fromkeys(("InternVL3.5-8B-HF", "InternVL3.5-8B"), "InternVL3.5-8B"),
}
"""Name of a model as they print it, by the checkpoint's name. No other model is compared."""

LIKELY_N: dict[str, tuple[int, ...]] = {
    "emotion6": (594,),
    "emoset": (17_716,),
    "webemo7": (2_000,),
    "webemo25": (2_000,),
    "abstract": (228, 280),
}
"""Numbers of images that may be theirs: those of SEPM's paper, or what most of a task's cells fit.

280 images have Abstract's votes; with ties left out some 228 stay.
"""

EVERY_FITS = 10_000
"""From this n on every percentage with two decimals fits."""

NEAR = 5
"""Distance from a likely n within which another is looked for."""

UNKNOWN = "their settings are unknown, their code is unseen"


@cache
def reported_tables() -> dict[str, Any]:
    """Everything that others report, in percent, as in `reported.json`."""
    return json.loads(Path(__file__).with_name("reported.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class ReportedValue:
    """An accuracy that others report, for a task and a model."""

    percent: float
    """As printed, with two decimals."""
    dataset: str
    model: str
    """Name of the model, as they print it."""

    @property
    def source(self) -> str:
        """Title of their paper, its table, and the model."""
        return f"{reported_tables()['source']}, {self.model}"

    def note(self, n: int | None = None) -> str:
        """What its decimals imply, and why a run over n images may measure another thing."""
        beside = "" if n is None else f"n is {n}; "
        return f"{beside}{self.percent:.2f} {implied_n(self.percent, self.dataset)}; {UNKNOWN}"

    def beside(self, accuracy: float | None = None, n: int | None = None) -> dict[str, Any]:
        """`reported_elsewhere` of `accuracy.json`, beside a run's accuracy over n images.

        There is no difference where the decimals, rounded or cut off, exclude that n.
        """
        reported, difference = self.percent / 100, None
        if accuracy is not None and n is not None:
            same_n = any(_printed(self.percent).fits(n, cut_off=cut) for cut in (False, True))
            difference = accuracy - reported if same_n else None
        return {
            "reported": reported,
            "difference": difference,
            "source": self.source,
            "note": self.note(n),
        }


def reported_value(
    dataset: str, model: str, method: str, config: Mapping[str, Any]
) -> ReportedValue | None:
    """The value to stand beside a run; None where others report none.

    SEPM is compared at the paper's settings, zero-shot with any wording in the usual order.
    """
    name = CHECKPOINTS.get(model)
    if (
        name is None
        or (method == "sepm" and not _has_defaults(config))
        or config.get("rotations", 1) > 1
    ):
        return None
    percent = reported_tables()["models"][name].get(method, {}).get(dataset)
    return None if percent is None else ReportedValue(percent, dataset, name)


def _has_defaults(config: Mapping[str, Any]) -> bool:
    """Whether all that SEPM reads is as in the preset `paper`."""
    paper = PRESETS["paper"]
    return all(config[name] == getattr(paper, name) for name in METHODS["sepm"].reads)


def implied_n(percent: float, dataset: str) -> str:
    """The number of images that a percentage's decimals admit, in words that follow it."""
    likely, printed = LIKELY_N[dataset], _printed(percent)
    if fitting := printed.fitting(likely):
        others = [n for n in likely if n not in fitting]
        told = f", not {_either(others)}" if others else ""
        return f"fits n = {_either(fitting)}" + (
            ", as every percentage does" if min(fitting) >= EVERY_FITS else told
        )
    near = printed.fitting(n for m in likely for n in range(m - NEAR, m + NEAR + 1))
    said = f"fits n = {_either(near)}, not" if near else f"fits no n within {NEAR} of"
    cut = printed.fitting(likely, cut_off=True)
    unrounded = f" (cut off instead of rounded it fits {_either(cut)})" if cut else ""
    return f"{said} {_either(likely)}{unrounded}"


def _printed(percent: float) -> Printed:
    return Printed(f"{percent:.2f}")


def _either(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, numbers))
