"""`--batch-size auto`: which size is taken, and that it changes no answer."""

from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main
from sepm.inference.auto_batch import fastest_batch_size


def chosen(seconds: dict[int, float | None]) -> tuple[int, list[int]]:
    """The size taken where batches of these sizes take so long, and the sizes that were tried."""
    tried: list[int] = []

    def seconds_of(size: int) -> float | None:
        tried.append(size)
        return seconds[size]

    return fastest_batch_size(seconds_of), tried


def test_doubling_ends_where_an_image_gets_no_faster() -> None:
    assert chosen({1: 1.0, 2: 1.5, 4: 2.0, 8: 4.0}) == (4, [1, 2, 4, 8])


def test_a_gain_of_two_percent_is_not_worth_the_memory() -> None:
    assert chosen({1: 1.0, 2: 1.96}) == (1, [1, 2])


def test_a_gain_of_four_percent_is() -> None:
    assert chosen({1: 1.0, 2: 1.92, 4: 4.0}) == (2, [1, 2, 4])


def test_doubling_ends_where_memory_does() -> None:
    assert chosen({1: 1.0, 2: 1.0, 4: None}) == (2, [1, 2, 4])


def test_sizes_end_at_64() -> None:
    assert chosen(dict.fromkeys((1, 2, 4, 8, 16, 32, 64), 1.0))[0] == 64


def test_without_memory_for_one_image_the_run_itself_tells() -> None:
    assert chosen({1: None}) == (1, [1])


def test_the_size_found_is_told_recorded_and_gives_the_same_letters(
    scenes: Any,
    command: Any,
    run_of: Any,
    finished: dict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(command(scenes, tmp_path, "--batch-size", "auto")) == 0
    size = run_of(tmp_path).accuracy()["timing"]["batch_size"]
    assert f"--batch-size auto: {size}, at which" in capsys.readouterr().err
    letters = {key: row["fine"]["text"] for key, row in run_of(tmp_path).records().items()}
    whole = finished["sepm"].records()
    assert letters == {key: row["fine"]["text"] for key, row in whole.items()}
