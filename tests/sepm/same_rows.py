"""Comparison of rows that were computed in different ways."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

Json = Mapping[str, Any]


def assert_same_rows(
    rows: Mapping[str, Json], others: Mapping[str, Json], within: float = 1e-5
) -> None:
    """Rows of the same questions, each the same but for rounding."""
    assert rows.keys() == others.keys()
    for key, row in rows.items():
        assert_same_row(row, others[key], within)


def assert_same_row(row: Json, other: Json, within: float = 1e-5) -> None:
    """The same letters, words and dropped tokens; fractions within that, scores within 1e-6."""
    (words, fractions), (other_words, other_fractions) = map(_words_and_fractions, (row, other))
    assert words == other_words
    assert fractions == pytest.approx(other_fractions, abs=within), words
    assert row.get("foe_scores") == pytest.approx(other.get("foe_scores"), abs=1e-6), words


def assert_same_decision(decision: Json, row: Json) -> None:
    """A decision without a question is that of a row, which may be under another image's name."""
    fields = decision.keys() - {"image", "num_visual_tokens"}
    one, other = ({name: facts[name] for name in fields} for facts in (decision, row))
    assert_same_row(one, other)


def _words_and_fractions(row: Json) -> tuple[str, list[float]]:
    """A row as JSON in which "p" stands for each probability or score; and these."""
    fractions: list[float] = []

    def noted(number: str) -> str:
        fractions.append(float(number))
        return "p"

    return json.dumps(json.loads(json.dumps(row, sort_keys=True), parse_float=noted)), fractions
