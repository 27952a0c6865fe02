"""What others report beside a run, and what n its decimals admit."""

from dataclasses import asdict
from typing import Any

import pytest

from sepm.analysis.printed_percent import Printed
from sepm.analysis.reported_elsewhere import (
    LIKELY_N,
    ReportedValue,
    implied_n,
    reported_tables,
    reported_value,
)
from sepm.method.config import PRESETS

from .test_printed_percent import is_printed

PAPER = asdict(PRESETS["paper"])
QWEN = "Qwen2.5-VL-7B-Instruct"
CELLS = [
    (model, method, task, percent)
    for model, rows in reported_tables()["models"].items()
    for method, row in rows.items()
    for task, percent in row.items()
]


def printed(percent: float, n: int, cut_off: bool = False) -> bool:
    return is_printed(f"{percent:.2f}", n, cut_off)


def test_there_are_forty_cells() -> None:
    assert len(CELLS) == 4 * 2 * 5


@pytest.mark.parametrize(("model", "method", "task", "percent"), CELLS)
def test_what_is_said_of_a_cells_decimals_is_so(
    model: str, method: str, task: str, percent: float
) -> None:
    said, likely = implied_n(percent, task), LIKELY_N[task]
    near = [n for m in likely for n in range(m - 5, m + 6)]
    fitting = [n for n in likely if printed(percent, n)]
    expected = fitting or [n for n in near if printed(percent, n)]
    numbers = [int(word.strip(",)")) for word in said.split() if word.strip(",)").isdigit()]
    if expected:
        assert numbers[: len(expected)] == expected
    else:
        assert said.startswith("fits no n within 5 of")
    cut = [n for n in likely if printed(percent, n, cut_off=True)]
    if not fitting:
        assert numbers[len(numbers) - len(cut) :] == cut
    assert ("cut off" in said) == (not fitting and bool(cut))


def fitting_cells(task: str, n: int, cut_off: bool = False) -> list[float]:
    return [p for _, _, own, p in CELLS if own == task and printed(p, n, cut_off)]


def test_abstract_is_228_images_in_six_cells_280_in_one_and_neither_in_one() -> None:
    assert sorted(fitting_cells("abstract", 228)) == [20.18, 23.68, 23.68, 26.32, 30.7, 32.89]
    assert fitting_cells("abstract", 280) == [26.79]
    assert implied_n(29.38, "abstract") == (
        "fits no n within 5 of 228 or 280 (cut off instead of rounded it fits 228)"
    )


@pytest.mark.parametrize("task", ["webemo7", "webemo25"])
def test_webemos_cells_all_fit_2000_and_no_smaller_n(task: str) -> None:
    cells = [p for _, _, own, p in CELLS if own == task]
    assert all(printed(p, 2_000) for p in cells)
    printed_cells = [Printed(f"{p:.2f}") for p in cells]
    assert not any(all(cell.fits(n) for cell in printed_cells) for n in range(1, 2_000))


def test_no_cell_of_emotion6_is_594_images_and_six_no_n_within_five_of_it() -> None:
    cells = [p for _, _, own, p in CELLS if own == "emotion6"]
    assert fitting_cells("emotion6", 594) == []
    near = [p for p in cells if any(printed(p, n) for n in range(589, 600))]
    assert near == [61.58, 55.97]
    assert fitting_cells("emotion6", 594, cut_off=True) == [55.21, 55.21, 54.37, 55.55]


def test_of_ten_thousand_images_on_every_percentage_fits() -> None:
    assert implied_n(57.94, "emoset") == "fits n = 17716, as every percentage does"


@pytest.mark.parametrize(
    ("model", "method", "task", "percent"),
    [
        (QWEN, "zero-shot", "emotion6", 58.33),
        (QWEN, "sepm", "emoset", 57.94),
        ("Qwen3-VL-4B-Instruct", "sepm", "emoset", 63.28),
        ("Qwen3-VL-8B-Instruct", "zero-shot", "abstract", 29.38),
        ("InternVL3_5-8B-HF", "sepm", "webemo25", 18.15),
        ("InternVL3.5-8B", "zero-shot", "webemo7", 42.55),
    ],
)
def test_a_checkpoint_is_known_by_its_name(
    model: str, method: str, task: str, percent: float
) -> None:
    value = reported_value(task, model, method, PAPER)
    assert value is not None
    assert value.percent == percent


@pytest.mark.parametrize(
    ("task", "model", "method", "settings"),
    [
        ("emoset", "Qwen2.5-VL-3B-Instruct", "sepm", {}),
        ("emoset", "qwen2.5-vl-7b-instruct-awq", "sepm", {}),
        ("emoset", QWEN, "fp", {}),
        ("emoset", QWEN, "sepm", {"beta": 0.1}),
        ("emoset", QWEN, "sepm", {"drop": "random"}),
        ("emoset", QWEN, "sepm", {"phrase": "Feel."}),
        ("emoset", QWEN, "sepm", asdict(PRESETS["released-2025-03"])),
        ("my_task", QWEN, "sepm", {}),
    ],
)
def test_a_run_that_others_do_not_have_is_compared_with_nothing(
    task: str, model: str, method: str, settings: dict[str, Any]
) -> None:
    assert reported_value(task, model, method, PAPER | settings) is None


def test_settings_that_sepm_does_not_read_make_no_difference() -> None:
    assert reported_value("emoset", QWEN, "sepm", PAPER | {"retain": 64}) is not None
    assert reported_value("emoset", QWEN, "zero-shot", PAPER | {"alpha": 0.2}) is not None


def test_beside_a_run_stand_number_difference_source_and_note() -> None:
    assert ReportedValue(23.68, "abstract", "Qwen2.5-VL-7B").beside(0.25, 228) == {
        "reported": pytest.approx(0.2368),
        "difference": pytest.approx(0.0132),
        "source": "Decoding Affective Nuances, 2026, Table 1, Qwen2.5-VL-7B",
        "note": "n is 228; 23.68 fits n = 228, not 280; their settings are unknown, their code is "
        "unseen",
    }


@pytest.mark.parametrize(
    ("percent", "task", "n", "is_given"),
    [(23.68, "abstract", 280, False), (29.38, "abstract", 228, True), (57.94, "emoset", 4, False)],
)
def test_a_difference_is_given_where_the_decimals_admit_the_runs_n(
    percent: float, task: str, n: int, is_given: bool
) -> None:
    beside = ReportedValue(percent, task, "Qwen3-VL-8B").beside(0.5, n)
    assert (beside["difference"] is not None) is is_given
    assert beside["reported"] == percent / 100
