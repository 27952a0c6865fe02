"""Text of an audit, from what `sepm.audit.summary` found."""

from collections.abc import Iterator
from typing import Any

from sepm.audit.summary import DECISIONS
from sepm.audit.variants import Variant
from sepm.documents import ABSENT, Document, Grid

READING = """\
How to read it:
  Largest Δp: how far a probability moved where query and visual tokens were the same.
  Margins, the reference's and the other's: the probability gap of the best two options (answers);
  |p_A - p_B| (coarse answers); the confidence's distance from α (branches); the widest gap of score
  between tokens that changed places, as a share of the higher (dropped tokens; "cut": the gap
  between the last dropped and the first kept).
  Rounding turns a decision only where both margins are small, so the larger one counts. What only
  follows from an earlier change ("so") is not counted against anything. "-": not known, as of
  answers that were decoded."""


def as_document(report: dict[str, Any]) -> Document:
    """Each comparison: its numbers, its verdict, and every row that changed."""
    blocks = [_title(report), *map(_comparison, report["comparisons"])]
    return [*(line for block in blocks for line in (*block, "")), READING]


def _title(report: dict[str, Any]) -> Iterator[str]:
    yield f"Audit of {', '.join(report['methods'])}"
    device = report["environment"]["device"]
    yield f"{report['dataset']}, {report['model']}, {report['samples']} samples, on {device}"
    for variant in report["variants"]:
        largest = variant["largest_batch"]
        if largest < variant["batch_size"]:
            yield f"{_name(variant)}: memory allowed batches of {largest} at most"


def _comparison(found: dict[str, Any]) -> Iterator[str | Grid]:
    yield _name(found["other"])
    yield f"against {_name(found['reference'])}"
    yield ""
    yield Grid(
        ("method", "samples", "largest Δp", *DECISIONS, "largest margin"),
        [
            [
                name,
                str(method["n"]),
                small(method["largest_shift"]),
                *(str(method["changed"][what]) for what in DECISIONS),
                small(method["largest_margin"]),
            ]
            for name, method in found["methods"].items()
        ],
    )
    yield ""
    yield verdict(found)
    yield from _rows(found)


def verdict(found: dict[str, Any]) -> str:
    """Whether rounding explains what changed in one comparison."""
    methods = found["methods"].values()
    first = sum(method["unprompted"] for method in methods)
    beyond = sum(method["beyond_rounding"] for method in methods)
    if not first:
        return "No answer, branch or dropped token changed."
    margins = [m["largest_margin"] for m in methods if m["largest_margin"] is not None]
    largest = f"largest margin {small(max(margins, default=None))}"
    following = sum(sum(method["changed"].values()) for method in methods) - first
    more = f"; {following} more came of these" if following else ""
    dtype, tie = found["other"]["dtype"], small(found["largest_tie"])
    if not beyond:
        return f"{first} changed, all near ties ({largest}; rounding explains {tie}){more}."
    blame = "the fast path is wrong there" if dtype == "float32" else "look at these first"
    return (
        f"{beyond} of {first} that changed are not known to be near ties ({largest}; rounding to "
        f"{dtype} explains {tie}): {blame}{more}."
    )


def _rows(found: dict[str, Any]) -> Iterator[str]:
    """Every row that changed, those that rounding explains least first."""
    rows = [(name, row) for name, m in found["methods"].items() for row in m["rows"]]
    for name, row in sorted(rows, key=lambda named: -_weight(named[1])):
        told = "; ".join(_change(change) for change in row["changes"])
        yield f"  {name} {row['question_id']}: {told}"


def _weight(row: dict[str, Any]) -> float:
    """The largest margin of what changed by itself; one that is not known weighs most."""
    margins = [change["margin"] for change in row["changes"] if change["follows"] is None]
    return max(float("inf") if margin is None else margin for margin in margins)


def _change(change: dict[str, Any]) -> str:
    before, after = (_value(value) for value in change["values"])
    margins = " / ".join(map(small, change["margins"]))
    cut = "" if change["cut"] is None else f"; cut {small(change['cut'])}"
    so = "so " if change["follows"] else ""
    return f"{so}{change['what']} {before} -> {after} (margins {margins}{cut})"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "(unread)" if value is None else value


def _name(variant: dict[str, Any]) -> str:
    return str(Variant(variant["dtype"], variant["batch_size"], variant["together"]))


def small(number: float | None) -> str:
    """A margin or a shift, to two digits: "0.31", "3.1e-07"."""
    return ABSENT if number is None else f"{number:.2g}"
