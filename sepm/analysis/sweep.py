"""Accuracy over α and β (Fig. 3): α by re-scoring what two runs have stored, β by a run a value.

Whether a sample is ambiguous is all that α decides. Two ordinary runs therefore hold everything
that any α between theirs can need: the one of the smallest α has the fine answer of the trusted
branch of all samples that may be trusted, the one of the largest α the fine answer of all samples
that may be ambiguous. Their other asks are the same, and asked once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from sepm.analysis.accuracy import accuracy_of, ratio
from sepm.analysis.paired import SIGNIFICANCE, Pair, pair_up, paired_counts
from sepm.errors import InputError, RunError
from sepm.method.answers import COARSE_KEY
from sepm.method.confidence import (
    MAXIMUM_CONFIDENCE,
    AmbiguousWhen,
    Variance,
    choose_branch,
    confidence,
    is_ambiguous,
)
from sepm.method.config import MethodConfig
from sepm.records.writing import Record
from sepm.registry import MethodRun

VARIANCES: tuple[Variance, Variance] = ("population", "sample")
DEFAULT_BETAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
ALPHA_STEPS = 20


def distinct(values: Iterable[float]) -> tuple[float, ...]:
    """The values, ascending, to the 12 digits that stand in the names of their runs' folders."""
    return tuple(sorted({float(f"{value:.12g}") for value in values}))


def swept_alphas(given: Sequence[float] | None, variance: Variance) -> tuple[float, ...]:
    """Values of α that a variance can reach: those given, else 21 over its whole range.

    Raises:
        InputError: a value that no variance can reach.
    """
    maximum = MAXIMUM_CONFIDENCE[variance]
    if given is None:
        return tuple(round(maximum * i / ALPHA_STEPS, 6) for i in range(ALPHA_STEPS + 1))
    for alpha in given:
        if not 0 <= alpha <= max(MAXIMUM_CONFIDENCE.values()):
            ranges = ", ".join(f"[0, {end}] ({name})" for name, end in MAXIMUM_CONFIDENCE.items())
            raise InputError(
                f"alphas (α) must be in the range of a variance, {ranges}: got {alpha}"
            )
    return distinct(alpha for alpha in given if alpha <= maximum)


def outer_runs(
    config: MethodConfig, preset: str, alphas: Mapping[Variance, Sequence[float]]
) -> tuple[MethodRun, MethodRun]:
    """The runs of the smallest and the largest α, which store what every α between them needs.

    Their variance is the configuration's. The sample variance is twice the population's, so an α
    there gates as α / 2 does here, to the last bit.

    Raises:
        InputError: the configuration has no gate, or an α is out of its range.
    """
    if config.ambiguous_when == "never":
        raise InputError("the preset has no gate, so α changes nothing; give --ambiguous-when")
    units: dict[Variance, float] = {"population": 1.0, "sample": 0.5}
    own = units[config.variance]
    gates = [a * units[variance] / own for variance in alphas for a in alphas[variance]]
    low, high = (replace(config, alpha=alpha) for alpha in (min(gates), max(gates)))
    return MethodRun("sepm", low, preset), MethodRun("sepm", high, preset)


def rescored(
    low: Iterable[Record],
    high: Iterable[Record],
    alpha: float,
    variance: Variance,
    when: AmbiguousWhen,
) -> list[Record]:
    """The records that a run with this gate would have, in the order of `low`.

    The runs of `low` and `high` differ in α alone: that of `low` is at most `alpha`, that of `high`
    at least.

    Raises:
        RunError: a sample needs a branch that neither run asked: α is outside their range, or their
            coarse stages differ by rounding.
    """
    by_id = {r["question_id"]: r for r in high}
    return [_rescored((r, by_id[r["question_id"]]), alpha, variance, when) for r in low]


def _rescored(stored: Pair, alpha: float, variance: Variance, when: AmbiguousWhen) -> Record:
    """The stored record whose branch is the one that this gate chooses."""
    if any(record["status"] == "error" for record in stored):
        return next(record for record in stored if record["status"] == "error")
    coarse = stored[0]["coarse"]
    p_a, p_b = coarse["p_a"], coarse["p_b"]
    value = confidence(p_a, p_b, variance)
    ambiguous = is_ambiguous(value, alpha, when)
    branch = choose_branch(COARSE_KEY.read(coarse["text"]), p_a, p_b, ambiguous=ambiguous)
    for record in stored:
        if record["coarse"]["branch"] == branch:
            return {**record, "coarse": {**record["coarse"], "confidence": value}}
    raise RunError(
        f"{stored[0]['question_id']}: α = {alpha:g} ({variance} variance) needs the {branch} "
        "branch, which neither run asked; if their own α enclose it, their coarse stages differ by "
        "rounding (another batch size, in half precision): compute both anew with --overwrite"
    )


def sweep(records: Mapping[float, Sequence[Record]]) -> dict[str, Any]:
    """Accuracy at every value of α or β, ascending as given, and which are as good as the best."""
    points = [_point(value, rows) for value, rows in records.items()]
    # Of equally accurate values the smallest is named.
    best = max(points, key=lambda point: point["correct"])["value"]
    for point in points:
        pairs = pair_up(records[best], records[point["value"]])
        point["versus_best"] = paired_counts(pairs).as_json()
    alike = [p["value"] for p in points if p["versus_best"]["p"] >= SIGNIFICANCE]
    return {
        "best": best,
        "indistinguishable": alike,
        "interval": _around(best, list(records), alike),
        "points": points,
    }


def _point(value: float, rows: Sequence[Record]) -> dict[str, Any]:
    accuracy = accuracy_of(rows)
    ambiguous = sum("coarse" in r and r["coarse"]["branch"] == "ambiguous" for r in rows)
    return {
        "value": value,
        **accuracy.as_json(),
        "ambiguous_rate": ratio(ambiguous, accuracy.n),
        "unread": accuracy.unread,
    }


def _around(best: float, values: Sequence[float], alike: Sequence[float]) -> tuple[float, float]:
    """The longest stretch of neighbouring values around the best that cannot be told from it."""
    place = values.index(best)
    below, above = (takewhile(alike.__contains__, v) for v in (values[place::-1], values[place:]))
    return min(below), max(above)
