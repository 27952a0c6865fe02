"""Settings at the ends of their ranges, row by row: what they must come to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main
from sepm.method import algorithm
from sepm.records import reading

from ..same_rows import assert_same_rows

Rows = dict[str, dict[str, Any]]


@pytest.fixture
def rows_of(scenes: Any, command: Any, run_of: Any, tmp_path: Path) -> Callable[..., Rows]:
    """A function that runs a method with some options and gives its rows by question id."""

    def run(name: str, folder: str, *options: object) -> Rows:
        output = tmp_path / folder
        assert main(command(scenes, output, "--batch-size", 3, *options, method=name)) == 0
        (found,) = (path.name for path in (output / "emoset").glob("*/*") if path.is_dir())
        return run_of(output, found).records()

    return run


def test_sepm_that_drops_nothing_is_cci_with_the_phrase(rows_of: Callable[..., Rows]) -> None:
    assert_same_rows(rows_of("sepm", "a", "--beta", 0), rows_of("cci+fp", "b"), within=1e-6)


def test_at_alpha_zero_every_answer_is_trusted(rows_of: Callable[..., Rows]) -> None:
    rows = rows_of("sepm", "a", "--alpha", 0)
    assert all(row["coarse"]["branch"] != "ambiguous" for row in rows.values())
    assert_same_rows(rows, rows_of("sepm", "b", "--ambiguous-when", "never"), within=1e-6)


@pytest.mark.parametrize(("variance", "maximum"), [("population", 0.25), ("sample", 0.5)])
def test_at_the_variances_maximum_every_answer_is_ambiguous(
    rows_of: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch, variance: str, maximum: float
) -> None:
    rows = rows_of("sepm", "a", "--variance", variance, "--alpha", maximum)
    assert {row["coarse"]["branch"] for row in rows.values()} == {"ambiguous"}
    for module in (algorithm, reading):  # deciding, and checking what was decided
        monkeypatch.setattr(module, "is_ambiguous", lambda *_: True)
    assert_same_rows(rows, rows_of("sepm", "b", "--variance", variance), within=1e-6)


def test_the_random_drop_does_not_depend_on_batch_or_order(
    rows_of: Callable[..., Rows], scenes: Any, tmp_path: Path
) -> None:
    drawn = {key: row["dropped"] for key, row in rows_of("sepm", "a", "--drop", "random").items()}
    lines = scenes.question_file.read_text().splitlines(keepends=True)
    backwards = tmp_path / "backwards.jsonl"
    backwards.write_text("".join(reversed(lines)))
    options = ("--drop", "random", "--batch-size", 5, "--question-file", backwards)
    rows = rows_of("sepm", "b", *options)
    assert {key: row["dropped"] for key, row in rows.items()} == drawn
    assert len(set(map(tuple, drawn.values()))) > 1
