"""Evidence that dropping removes, relative to chance: what section 3.3 rests on, measured.

An image's evidence lies on its visual tokens, and `dropped` of a record says which of them the fine
stage did without. The same number of tokens drawn by chance would hold `dropped / N` of it.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, get_args

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap

from sepm.analysis.stored_run import StoredRun
from sepm.analysis.token_evidence import Size, TokenEvidence, Values, token_evidence
from sepm.datasets.evidence_maps import EvidenceMaps
from sepm.errors import InputError
from sepm.method.config import Drop
from sepm.records.geometry import TokenPlaces
from sepm.records.writing import Record

RESAMPLES = 2000
SEED = 0
"""Of the bootstrap: the same runs and maps give the same intervals."""


@dataclass(frozen=True)
class Loss:
    """Evidence of one image, and what dropping removes of it."""

    removed: float
    """Evidence on the dropped tokens."""
    chance: float
    """Evidence that as many tokens hold by chance: dropped / N of all."""
    chance_inside: float | None
    """The same where chance draws among the tokens that see some of the image, as many as were
    dropped of them; None: padding is not known."""
    least: float
    """Evidence that so many tokens hold at least."""
    most: float
    """Evidence that so many tokens hold at most."""
    total: float
    """All evidence, summed over the tokens."""


@dataclass(frozen=True)
class Losses:
    """Losses of one run, and how many of its images have none."""

    run: StoredRun
    images: Mapping[str, Loss]
    """By question id."""
    left_out: Mapping[str, int]
    """Images that could not be run, that lost no token, that have no map, or an empty one."""


@dataclass
class EvidenceReader:
    """Evidence of images on the visual tokens of runs; each map is read once."""

    maps: EvidenceMaps
    image_size: Callable[[Record], Size] | None = None
    """Size of a record's image; None: the images are not at hand."""
    _known: dict[tuple[str, TokenPlaces | int], TokenEvidence | None] = field(default_factory=dict)

    def losses(self, run: StoredRun) -> Losses:
        """What dropping removes in each image of a run.

        Raises:
            InputError: a map cannot be read, is not of its image, or names a token that is not
                there; or the places of the run's tokens are not known.
        """
        images: dict[str, Loss] = {}
        left_out = {"errors": 0, "nothing_dropped": 0, "without_map": 0, "empty_map": 0}
        for record in run.records:
            if record["status"] == "error":
                left_out["errors"] += 1
            elif not record["dropped"]:
                left_out["nothing_dropped"] += 1
            elif (evidence := self._evidence(run, record)) is None:
                left_out["without_map"] += 1
            elif not evidence.masses.any():
                left_out["empty_map"] += 1
            else:
                images[record["question_id"]] = loss(evidence, record["dropped"])
        return Losses(run, images, left_out)

    def _evidence(self, run: StoredRun, record: Record) -> TokenEvidence | None:
        name = record["question_id"]
        places = run.token_places(record)
        number = record.get("num_visual_tokens", len(record.get("foe_scores", ())))
        key = name, places or number
        if key not in self._known:
            found = self.maps.find(name, record["image"])
            size = self.image_size(record) if found and self.image_size else None
            try:
                self._known[key] = found and token_evidence(found, places, number, size)
            except ValueError as error:
                raise InputError(f"{self.maps.path}: question_id '{name}': {error}") from error
        return self._known[key]


def loss(evidence: TokenEvidence, dropped: Sequence[int]) -> Loss:
    """What an image loses with the dropped tokens, at least one."""
    masses, number = evidence.masses, len(dropped)
    ascending = np.sort(masses)
    gone = np.zeros(len(masses), dtype=bool)
    gone[list(dropped)] = True
    total, inside = masses.sum(), evidence.inside
    return Loss(
        removed=masses[gone].sum(),
        chance=total * gone.mean(),
        chance_inside=None if inside is None else total * gone[inside].mean(),
        least=ascending[:number].sum(),
        most=ascending[-number:].sum(),
        total=total,
    )


def measure(losses: Iterable[Loss]) -> dict[str, Any]:
    """Evidence removed, relative to chance, over some images; at least one.

    `relative` pools the images, so that one with more evidence counts for more; `per_image` is the
    mean of the images' own ratios. `inside` is pooled too, and its chance draws among the tokens
    that see some of the image: dropping padding spares nothing there. `least` and `most` are what
    `relative` could be at best and at worst with so many tokens. Intervals are 95%.
    """
    table = list(losses)
    removed, chance = _column(table, "removed"), _column(table, "chance")
    numbers = {
        "images": len(table),
        "evidence_removed": ratio_of_sums(removed, _column(table, "total")),
        **_with_interval("relative", ratio_of_sums, removed, chance),
        **_with_interval("per_image", np.mean, removed / chance),
        "inside": None,
        "inside_ci95": None,
        "least": ratio_of_sums(_column(table, "least"), chance),
        "most": ratio_of_sums(_column(table, "most"), chance),
    }
    if all(loss.chance_inside is not None for loss in table):
        inside = _column(table, "chance_inside")
        numbers |= _with_interval("inside", ratio_of_sums, removed, inside)
    return numbers


def compare_pair(reference: Losses, other: Losses) -> dict[str, Any]:
    """Difference of two runs' `relative` over the images that both measured, resampled together."""
    common = [name for name in reference.images if name in other.images]
    columns = [
        _column([side.images[name] for name in common], column)
        for side in (reference, other)
        for column in ("removed", "chance")
    ]
    return {
        "reference": reference.run.name,
        "other": other.run.name,
        "images": len(common),
        **_with_interval("difference", _difference, *columns),
    }


def evidence_report(losses: Sequence[Losses]) -> dict[str, Any]:
    """Numbers of a model's runs that drop tokens, and of pairs of them with the same β.

    The reference of a pair is the run whose way to drop comes first in `Drop`, as the paper's does.
    """
    shown = sorted((one for one in losses if one.images), key=_order)
    same_beta = [list(group) for _, group in groupby(shown, key=lambda one: _order(one)[0])]
    return {
        "runs": [
            {
                "name": one.run.name,
                "folder": str(one.run.folder),
                "drop": one.run.configuration["drop"],
                "beta": one.run.configuration["beta"],
                "accuracy": one.run.summary["accuracy"],
                **one.left_out,
                **measure(one.images.values()),
            }
            for one in shown
        ],
        "pairs": [
            {"beta": _order(group[0])[0], **compare_pair(group[0], other)}
            for group in same_beta
            for other in group[1:]
        ],
        "not_measured": {one.run.name: one.left_out for one in losses if not one.images},
    }


def ratio_of_sums(counted: Values, expected: Values, axis: int = -1) -> Any:
    """Σ counted / Σ expected; not a number where nothing is expected."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return counted.sum(axis=axis) / expected.sum(axis=axis)


def _difference(a: Values, b: Values, c: Values, d: Values, axis: int = -1) -> Any:
    return ratio_of_sums(c, d, axis) - ratio_of_sums(a, b, axis)


def _with_interval(name: str, statistic: Callable[..., Any], *columns: Values) -> dict[str, Any]:
    """A statistic of images with its 95% interval: percentiles of the bootstrap over images.

    None stands for what is not a number, and for the interval of fewer than two images or where a
    sample of them gives no number.
    """
    none = {name: None, f"{name}_ci95": None}
    if not len(columns[0]) or not np.isfinite(value := float(statistic(*columns))):
        return none
    if len(columns[0]) < 2:
        return {**none, name: value}
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        drawn = bootstrap(
            columns,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            method="percentile",
            batch=100,
            rng=np.random.default_rng(SEED),
        )
    interval = tuple(map(float, drawn.confidence_interval))
    return {name: value, f"{name}_ci95": interval if np.isfinite(interval).all() else None}


def _column(losses: Sequence[Loss], name: str) -> Values:
    return np.array([getattr(loss, name) for loss in losses], dtype=float)


def _order(losses: Losses) -> tuple[float, int]:
    """β, and the number of the way to drop."""
    settings = losses.run.configuration
    return settings["beta"], get_args(Drop).index(settings["drop"])
