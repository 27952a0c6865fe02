"""Rows held against their run's method and settings, so that no other run's are taken for them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sepm.method.confidence import Branch, confidence, is_ambiguous
from sepm.method.dropping import num_dropped
from sepm.method.taxonomy import Taxonomy
from sepm.records.fields import ROUNDING
from sepm.records.writing import Record
from sepm.registry import METHODS


def run_faults(
    record: Record, run: Mapping[str, Any], taxonomy: Taxonomy | None = None
) -> Iterator[str]:
    """Each reason why a row is not of a run.

    Args:
        record: a row whose fields agree with each other.
        run: `method`, `configuration` and, where it is known, `visual_tokens`, as results hold
            them. Of an unknown method all rows are.
        taxonomy: the task's classes; None where they are not known.
    """
    method, settings = run.get("method"), run.get("configuration", {})
    if method not in METHODS or record["status"] == "error":
        return
    reads = METHODS[method].reads
    for field, setting in (("coarse", "alpha"), ("sparsevlm", "retain")):
        if (field in record) != (setting in reads):
            yield f"a row {'with' if field in record else 'without'} `{field}` is not of {method}"
    beta = settings["beta"] if "beta" in reads else 0.0
    yield from _dropping_faults(record, beta, _num_tokens(record, run))
    if "coarse" in record and "alpha" in reads:
        yield from _gate_faults(record["coarse"], settings)
    if taxonomy is not None:
        yield from _option_faults(record, taxonomy)


def _num_tokens(record: Record, run: Mapping[str, Any]) -> int | None:
    """N, where the row, its scores or the run's grid tell it."""
    if "num_visual_tokens" in record:
        return record["num_visual_tokens"]
    if "foe_scores" in record:
        return len(record["foe_scores"])
    match run.get("visual_tokens"):
        case {"grid": [int(rows), int(columns)]}:
            return rows * columns
        case _:
            return None


def _dropping_faults(record: Record, beta: float, num_tokens: int | None) -> Iterator[str]:
    """Another number of dropped tokens than floor(β × N); fewer, where N is not known (Eq. 9)."""
    dropped = record["dropped"]
    at_least = num_tokens or (dropped[-1] + 1 if dropped else 0)
    due, there = num_dropped(beta, at_least), len(dropped)
    if there < due or (there > due and (num_tokens or not beta)):
        of = f"{'' if num_tokens else 'at least '}{at_least}"
        yield f"{there} of {of} visual tokens are dropped, not {due} as with this run's β = {beta}"


def _gate_faults(coarse: Record, settings: Mapping[str, Any]) -> Iterator[str]:
    """Another variance or branch than the run's gate gives (Eq. 4)."""
    value, variance = coarse["confidence"], settings["variance"]
    expected = confidence(coarse["p_a"], coarse["p_b"], variance)
    if not math.isclose(value, expected, abs_tol=ROUNDING):
        yield f"confidence {value:g} is not this run's {variance} variance of p_a and p_b"
    alpha, when = settings["alpha"], settings["ambiguous_when"]
    if is_ambiguous(value, alpha, when) != (coarse["branch"] == "ambiguous"):
        yield (
            f"branch {coarse['branch']} does not follow from confidence {value:g} with this run's "
            f"α = {alpha} and ambiguous_when {when}"
        )


def _option_faults(record: Record, taxonomy: Taxonomy) -> Iterator[str]:
    """Other option letters than those that the query of the row's branch offers."""
    branch: Branch = record["coarse"]["branch"] if "coarse" in record else "ambiguous"
    classes = taxonomy.classes if branch == "ambiguous" else taxonomy.of_polarity(branch)
    offered, there = sorted(c.option_letter for c in classes), sorted(record["fine"]["probs"])
    if there != offered:
        yield f"probs are of {' '.join(there)}, but the query offers {' '.join(offered)}"
