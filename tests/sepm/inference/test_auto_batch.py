"""`--batch-size auto`: which size is taken, and that it changes no answer."""

from typing import Any

import pytest

from sepm.inference.auto_batch import fastest_batch_size


def chosen(seconds: dict[int, float | None]) -> tuple[int, list[int]]:
    """The size taken where batches of these sizes take so long, and the sizes that were tried."""
    tried: list[int] = []

    def seconds_of(size: int) -> float | None:
        tried.append(size)
        return seconds[size]

    return fastest_batch_size(seconds_of), tried


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        ({1: 1.0, 2: 1.5, 4: 2.0, 8: 4.0}, 4),  # an image gets no faster
        ({1: 1.0, 2: 1.96}, 1),  # a gain of two percent is not worth the memory
        ({1: 1.0, 2: 1.92, 4: 4.0}, 2),  # one of four percent is
        ({1: 1.0, 2: 1.0, 4: None}, 2),  # memory ends
        ({1: None}, 1),  # not even one image has room, which the run itself tells
        (dict.fromkeys((1, 2, 4, 8, 16, 32, 64), 1.0), 64),
    ],
)
def test_doubling_ends_where_it_no_longer_pays(seconds: dict[int, float | None], size: int) -> None:
    assert chosen(seconds) == (size, list(seconds))


def test_the_size_found_is_told_recorded_and_gives_the_same_letters(
    scenes: Any, finished: dict, evaluate: Any
) -> None:
    said = evaluate("--batch-size", "auto", scenes=scenes).err
    size = evaluate.run().accuracy()["timing"]["batch_size"]
    assert f"--batch-size auto: {size}, at which" in said
    letters = {key: row["fine"]["text"] for key, row in evaluate.run().records().items()}
    whole = finished["sepm"].records()
    assert letters == {key: row["fine"]["text"] for key, row in whole.items()}
