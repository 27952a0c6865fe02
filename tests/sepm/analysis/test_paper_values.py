"""The paper's cells beside a run; the numbers are Tables 1-3's own."""

from dataclasses import asdict
from typing import Any

import pytest

from sepm.analysis.paper_values import PaperValue, paper_value
from sepm.method.config import PRESETS

PAPER = asdict(PRESETS["paper"])
N = {"emoset": 17_716, "emotion6": 594, "webemo7": 53_489, "webemo25": 53_489, "abstract": 280}
"""Of the paper's, as far as its decimals imply it."""


LLAVA = "llava-v1.5-7b"
VILAS = ("Llama-3-VILA1.5-8B", "Llama-3-VILA1.5-8B-Fix")
"""Which of the two releases the paper took, it does not say."""


def value_of(
    dataset: str,
    method: str,
    settings: dict[str, Any] | None = None,
    model: str = LLAVA,
    n: int | None = None,
) -> PaperValue:
    value = paper_value(dataset, model, method, PAPER | (settings or {}), n or N[dataset])
    assert value is not None
    return value


@pytest.mark.parametrize(
    "case",
    [
        ("emoset", "zero-shot", {}, 52.77),
        ("emoset", "zero-shot", {"alpha": 0.3}, 52.77),  # it has no α
        ("emoset", "sepm", {}, 56.24),
        ("emoset", "sepm", {"beta": 0.1}, 56.04),
        ("webemo7", "sepm", {}, 42.75),
        ("emoset", "sepm", {"drop": "random"}, 55.91),
        ("emotion6", "sepm", {"drop": "query", "beta": 0.1}, 53.54),
        ("emoset", "cci", {}, 53.98),
        ("emoset", "fp", {}, 54.28),
        ("emoset", "cci+fp", {}, 56.10),
        *(("emoset", "zero-shot", {}, 44.45, vila) for vila in VILAS),
        *(("emoset", "sepm", {"beta": 0.1}, 53.11, vila) for vila in VILAS),
        *(("emoset", "zero-shot-cot", {}, 43.20, vila) for vila in VILAS),
    ],
)
def test_a_run_like_a_cell_of_the_paper_is_compared_with_it(case: Any) -> None:
    dataset, method, settings, percent, *model = case
    assert value_of(dataset, method, settings, *model).reported == pytest.approx(percent / 100)


@pytest.mark.parametrize(
    ("dataset", "model", "method", "settings"),
    [
        ("emoset", "llava-tiny", "sepm", {}),
        ("emoset", "llava-v1.5-13b", "sepm", {}),
        ("emoset", LLAVA, "sepm", {"alpha": 0.2}),
        ("emoset", LLAVA, "sepm", {"beta": 0.5}),
        ("emoset", LLAVA, "sepm", {"drop": "highest"}),
        ("emoset", LLAVA, "sepm", {"image_pass": "once"}),
        ("abstract", LLAVA, "cci", {}),
        ("emoset", "Llama-3-VILA1.5-8B", "cci", {}),
        ("emoset", "Llama-3-VILA1.5-8B-AWQ", "zero-shot", {}),
        ("my_task", LLAVA, "sepm", {}),
    ],
)
def test_a_run_that_the_paper_does_not_have_is_compared_with_nothing(
    dataset: str, model: str, method: str, settings: dict[str, Any]
) -> None:
    assert paper_value(dataset, model, method, PAPER | settings, N.get(dataset, 1)) is None


@pytest.mark.parametrize(
    ("dataset", "n", "note"),
    [
        ("emotion6", 1, "n is 1; every accuracy in the paper fits n = 594"),
        ("emotion6", 1980, "fits n = 594"),
        ("emoset", 17_715, "fits n = 17716"),
        ("abstract", 229, "fits n = 280"),
        ("webemo25", 2000, "exclude any n below 5218"),
    ],
)
def test_beside_another_number_of_images_stands_a_note_and_no_number(
    dataset: str, n: int, note: str
) -> None:
    value = value_of(dataset, "zero-shot", n=n)
    assert value.reported is None
    assert note in str(value.note)
    beside = value.beside(0.5)
    assert (beside["reported"], beside["difference"]) == (None, None)


def test_where_the_papers_n_is_unknown_the_number_comes_with_a_note() -> None:
    assert value_of("webemo7", "zero-shot", n=50_000).beside(0.2656) == {
        "reported": pytest.approx(0.2556),
        "difference": pytest.approx(0.01),
        "note": "n is 50000; the paper's is unknown, its accuracies exclude any below 3885",
    }


def test_the_number_of_the_papers_images_needs_no_note() -> None:
    value = value_of("emoset", "zero-shot")
    assert (value.reported, value.note) == (pytest.approx(0.5277), None)


def test_sparsevlm_is_compared_at_the_layers_of_its_version_with_a_note() -> None:
    note = "the paper names neither SparseVLM's version nor its budget"
    layers = {"sparsevlm_layers": [2, 6, 15]}  # as JSON has them
    for settings in ({}, layers):
        assert value_of("emoset", "sparsevlm", settings) == PaperValue(0.54, note)
    other = PAPER | {"sparsevlm_layers": (0, 1, 2)}
    assert paper_value("emoset", LLAVA, "sparsevlm", other, N["emoset"]) is None
