"""Findings of an audit, ready for JSON: every comparison, method by method, row by row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

from sepm.analysis.decision_changes import Decision, changes, shifts
from sepm.analysis.paired import Pair
from sepm.audit.variants import LARGEST_TIE, Comparison
from sepm.records.writing import Record

DECISIONS: tuple[Decision, ...] = get_args(Decision)


def compared(
    comparison: Comparison,
    reference: Mapping[str, Sequence[Record]],
    other: Mapping[str, Sequence[Record]],
    alphas: Mapping[str, float],
) -> dict[str, Any]:
    """One comparison; records and α by the method's name, rows in the same order in both."""
    tie = LARGEST_TIE[comparison[1].dtype]
    return {
        "reference": asdict(comparison[0]),
        "other": asdict(comparison[1]),
        "largest_tie": tie,
        "methods": {
            name: _method(list(zip(rows, other[name], strict=True)), alphas[name], tie)
            for name, rows in reference.items()
        },
    }


def _method(pairs: Sequence[Pair], alpha: float, tie: float) -> dict[str, Any]:
    found = {pair[0]["question_id"]: changes(pair, alpha) for pair in pairs}
    every = [change for row in found.values() for change in row]
    first = [change for change in every if change.follows is None]
    return {
        "n": len(pairs),
        "largest_shift": max((s for pair in pairs for s in shifts(pair).values()), default=None),
        "changed": {what: sum(change.what == what for change in every) for what in DECISIONS},
        "unprompted": len(first),
        "beyond_rounding": sum(change.is_beyond(tie) for change in every),
        "largest_margin": max((c.margin for c in first if c.margin is not None), default=None),
        "rows": [
            {
                "question_id": key,
                "changes": [
                    {**asdict(c), "margin": c.margin, "beyond_rounding": c.is_beyond(tie)}
                    for c in row
                ],
            }
            for key, row in found.items()
            if row
        ],
    }


def unexplained_in_float32(report: Mapping[str, Any]) -> Iterator[str]:
    """Each change in float32 that rounding does not explain: its method, question and what."""
    for comparison in report["comparisons"]:
        if comparison["other"]["dtype"] != "float32":
            continue
        for name, method in comparison["methods"].items():
            for row in method["rows"]:
                for change in row["changes"]:
                    if change["beyond_rounding"]:
                        yield f"{name} {row['question_id']} ({change['what']})"
