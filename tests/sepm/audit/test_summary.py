"""What an audit says of changes, on records made by hand."""

from dataclasses import asdict
from typing import Any

from sepm.audit.summary import compared, unexplained_in_float32
from sepm.audit.text import as_document, verdict
from sepm.audit.variants import REFERENCE, Precision, Variant
from sepm.documents import as_markdown

Json = dict[str, Any]


def as_text(found: Json) -> str:
    return as_markdown(as_document(found))


def row(key: str, letter: str, gap: float) -> Json:
    """A record of zero-shot between A and B, the letter ahead by `gap`."""
    probs = {x: 0.5 + (gap if x == letter else -gap) / 2 for x in "AB"}
    return {
        "question_id": key,
        "prediction": {"A": "amusement", "B": "anger"}[letter],
        "dropped": [],
        "fine": {"prompt": "q", "text": letter, "probs": probs},
    }


def comparison(dtype: Precision, *gaps: float) -> Json:
    """Rows of the reference that answer A by a gap, and B by the same in the other variant."""
    both = [{"zero-shot": [row(f"{gap}", x, gap) for gap in gaps]} for x in "AB"]
    variant = Variant(dtype, 8, together=True)
    return compared((REFERENCE, variant), both[0], both[1], {"zero-shot": 0.1})


def report(*found: Json) -> Json:
    return {
        **{"dataset": "emoset", "model": "tiny", "samples": 3, "methods": {"zero-shot": {}}},
        "environment": {"device": "cpu"},
        "variants": [asdict(Variant("float32", 8, together=True)) | {"largest_batch": 4}],
        "comparisons": list(found),
    }


def test_near_ties_in_float32_are_listed_and_explained() -> None:
    found = comparison("float32", 1e-5, 2e-6)
    method = found["methods"]["zero-shot"]
    assert method["changed"]["answer"] == 2
    assert method["beyond_rounding"] == 0
    assert "2 changed, all near ties (largest margin 1e-05" in verdict(found)
    assert list(unexplained_in_float32(report(found))) == []


def test_a_wide_margin_in_float32_is_named_as_wrong() -> None:
    found = comparison("float32", 1e-5, 0.3)
    assert found["methods"]["zero-shot"]["beyond_rounding"] == 1
    assert "1 of 2 that changed are not known to be near ties (largest margin 0.3" in verdict(found)
    assert "the fast path is wrong" in verdict(found)
    assert list(unexplained_in_float32(report(found))) == ["zero-shot 0.3 (answer)"]


def test_a_wide_margin_in_half_precision_is_pointed_at_and_no_error() -> None:
    found = comparison("bfloat16", 0.01, 0.3)
    assert "1 of 2 that changed" in verdict(found)
    assert "look at these first" in verdict(found)
    assert list(unexplained_in_float32(report(found))) == []


def test_every_changed_row_is_listed_the_least_explained_first() -> None:
    text = as_text(report(comparison("bfloat16", 0.01, 0.3, 0.02)))
    lines = [line.strip() for line in text.splitlines() if "amusement -> anger" in line]
    assert lines == [
        f"zero-shot {gap}: answer amusement -> anger (margins {gap} / {gap})"
        for gap in (0.3, 0.02, 0.01)
    ]


def test_what_follows_from_an_earlier_change_is_counted_apart() -> None:
    pair = [row("x", letter, 0.3) | {"dropped": [i]} for i, letter in enumerate("AB")]
    for record in pair:
        record["foe_scores"] = [0.1, 0.1001]
    variant = Variant("bfloat16", 8, together=True)
    first, second = ({"sepm": [record]} for record in pair)
    found = compared((REFERENCE, variant), first, second, {"sepm": 0.1})
    assert found["methods"]["sepm"]["unprompted"] == 1
    assert found["methods"]["sepm"]["largest_margin"] < 0.05  # the answer's is 0.3
    assert "1 changed, all near ties" in verdict(found)
    assert verdict(found).endswith("; 1 more came of these.")


def test_nothing_changed_is_said_in_so_many_words() -> None:
    assert verdict(comparison("float32")) == "No answer, branch or dropped token changed."


def test_batches_that_memory_did_not_allow_are_told() -> None:
    text = as_text(report())
    assert "float32, batch 8, all methods in one pass: memory allowed batches of 4" in text
