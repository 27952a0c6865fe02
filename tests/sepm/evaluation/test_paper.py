"""The paper's cells beside a run; the numbers are Tables 1-3's own."""

from typing import Any

import pytest

from sepm.evaluation.paper import reported_accuracy

PAPER = {"alpha": 0.1, "beta": 0.2, "drop": "foe"}


@pytest.mark.parametrize(
    ("dataset", "method", "settings", "percent"),
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
    ],
)
def test_a_run_like_a_cell_of_the_paper_is_compared_with_it(
    dataset: str, method: str, settings: dict[str, Any], percent: float
) -> None:
    found = reported_accuracy(dataset, "llava-v1.5-7b", method, PAPER | settings)
    assert found == pytest.approx(percent / 100)


@pytest.mark.parametrize("model", ["Llama-3-VILA1.5-8B", "Llama-3-VILA1.5-8B-Fix"])
@pytest.mark.parametrize(
    ("method", "settings", "percent"),
    [("zero-shot", {}, 44.45), ("sepm", {"beta": 0.1}, 53.11), ("zero-shot-cot", {}, 43.20)],
)
def test_both_releases_of_vila_are_compared_with_the_papers_vila(
    model: str, method: str, settings: dict[str, Any], percent: float
) -> None:
    found = reported_accuracy("emoset", model, method, PAPER | settings)
    assert found == pytest.approx(percent / 100)


@pytest.mark.parametrize(
    ("dataset", "model", "method", "settings"),
    [
        ("emoset", "llava-tiny", "sepm", {}),
        ("emoset", "llava-v1.5-13b", "sepm", {}),
        ("emoset", "llava-v1.5-7b", "sepm", {"alpha": 0.2}),
        ("emoset", "llava-v1.5-7b", "sepm", {"beta": 0.5}),
        ("abstract", "llava-v1.5-7b", "cci", {}),
        ("emoset", "Llama-3-VILA1.5-8B", "cci", {}),
        ("emoset", "Llama-3-VILA1.5-8B-AWQ", "zero-shot", {}),
        ("my_task", "llava-v1.5-7b", "sepm", {}),
    ],
)
def test_a_run_that_the_paper_does_not_have_is_compared_with_nothing(
    dataset: str, model: str, method: str, settings: dict[str, Any]
) -> None:
    assert reported_accuracy(dataset, model, method, PAPER | settings) is None
