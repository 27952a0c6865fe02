"""What is derived from raw timings and outcomes, on numbers that one checks by hand."""

from typing import Any

import pytest

from sepm.bench.linearity import linearity
from sepm.bench.measure import Tick
from sepm.bench.sameness import compare_all, read_off
from sepm.bench.summary import ratios, spread
from sepm.bench.variants import SEPM, SWEEP_RUNS
from sepm.method.confidence import Branch
from sepm.method.dialogue import CoarseResult, Outcome, Reply
from sepm.method.prompts import Query

QUERY = Query("Which?")


def outcome(
    coarse: str = "A",
    fine: str = "C",
    p: float = 0.9,
    branch: Branch = "positive",
    confidence: float = 0.2,
    dropped: tuple[int, ...] = (),
) -> Outcome:
    reply = Reply(coarse, coarse, {"A": p, "B": 1 - p})
    verdict = CoarseResult(QUERY, reply, confidence, branch)
    return Outcome(QUERY, Reply(fine, fine, {"C": 0.5}), ("C",), verdict, dropped)


def test_equal_answers_have_no_flips() -> None:
    same = {(SEPM, "1"): outcome()}
    found = compare_all({"reference": same, "batch-1": same})
    assert found["flips"] == []
    assert found["pairs"] == [
        {
            "variant": "batch-1",
            "baseline": "reference",
            "answers": 1,
            "letters": 0,
            "dropped": 0,
            "largest_dp": 0.0,
        }
    ]


def test_an_answer_with_two_other_letters_is_one_answer_and_two_flips() -> None:
    found = compare_all(
        {
            "reference": {(SEPM, "1"): outcome(), (SEPM, "2"): outcome()},
            "batch-1": {(SEPM, "1"): outcome(), (SEPM, "2"): outcome(coarse="B", fine="D")},
        }
    )
    assert found["pairs"][0]["letters"] == 1
    assert [(f["question_id"], f["decision"], f["here"], f["there"]) for f in found["flips"]] == [
        ("2", "coarse letter", "B", "A"),
        ("2", "fine letter", "D", "C"),
    ]


def test_another_branch_alone_is_a_flip_but_no_other_letter() -> None:
    found = compare_all(
        {
            "reference": {(SEPM, "1"): outcome()},
            "batch-1": {(SEPM, "1"): outcome(branch="ambiguous", p=0.8, dropped=(3,))},
        }
    )
    assert [flip["decision"] for flip in found["flips"]] == ["branch"]
    assert (found["pairs"][0]["letters"], found["pairs"][0]["dropped"]) == (0, 1)
    assert found["pairs"][0]["largest_dp"] == pytest.approx(0.1)


def test_the_seven_runs_are_compared_with_each_other_beside_the_first_variant() -> None:
    sepm, fp = {(SEPM, "1"): outcome()}, {("fp", "1"): outcome()}
    found = compare_all({"reference": sepm, "separate": sepm | fp, "together": sepm | fp})
    assert [(p["variant"], p["baseline"], p["answers"]) for p in found["pairs"]] == [
        ("separate", "reference", 1),
        ("together", "reference", 1),
        ("together", "separate", 2),
    ]


def test_a_sweep_s_outcomes_are_those_of_the_branch_that_the_alpha_between_chooses() -> None:
    low, high = SWEEP_RUNS
    sweep = {
        (low, "sure"): outcome(fine="C", confidence=0.12),
        (high, "sure"): outcome(fine="D", confidence=0.12, branch="ambiguous"),
        (low, "unsure"): outcome(fine="E", confidence=0.08),
        (high, "unsure"): outcome(fine="F", confidence=0.08, branch="ambiguous"),
    }
    letters = {question: found.reply.letter for (_, question), found in read_off(sweep).items()}
    assert letters == {"sure": "C", "unsure": "F"}


def summaries(**seconds: list[dict[str, float]]) -> dict[str, Any]:
    return {key.replace("_", "-"): {"seconds": values} for key, values in seconds.items()}


def test_ratios_of_ours_are_taken_within_each_repeat() -> None:
    found = ratios(
        summaries(
            batch_1=[{"x": 8.0}, {"x": 9.0}, {"x": 40.0}],
            batch_8=[{"x": 4.0}, {"x": 3.0}, {"x": 10.0}],
        ),
        "batch-8",
    )
    assert found == [
        {"numerator": "batch-1", "denominator": "batch-8", "median": 3.0, "min": 2.0, "max": 4.0}
    ]


def test_the_reference_s_ratio_is_of_medians_and_bounded_by_what_lies_furthest_apart() -> None:
    found = ratios(
        summaries(
            reference=[{"x": 8.0}, {"x": 9.0}, {"x": 40.0}],
            batch_8=[{"x": 4.0}, {"x": 3.0}, {"x": 10.0}],
        ),
        "batch-8",
    )
    assert found == [
        {
            **{"numerator": "reference", "denominator": "batch-8"},
            **{"median": 9 / 4, "min": 8 / 10, "max": 40 / 3},
        }
    ]


def test_runs_apart_are_summed_and_a_sweep_is_compared_with_the_largest_batch() -> None:
    found = ratios(
        summaries(
            batch_1=[{"x": 5.0}],
            batch_4=[{"x": 4.0}],
            separate=[{"fp": 2.0, "cci": 4.0}],
            together=[{"all": 2.0}],
            sweep=[{"all": 5.0}],
        ),
        "batch-4",
    )
    assert [(r["numerator"], r["denominator"], r["median"]) for r in found] == [
        ("batch-1", "batch-4", 1.25),
        ("separate", "together", 3.0),
        ("sweep", "batch-4", 1.25),
    ]


def test_spread_is_median_smallest_and_largest() -> None:
    assert spread([5.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 5.0}


def test_a_run_of_constant_cost_is_linear_whatever_its_first_window_cost() -> None:
    ticks = [Tick(100.0 + index // 2, 10**9 + index) for index in range(40)]  # windows of 2
    found = linearity(ticks, window=2)
    assert found is not None
    assert found["images_of_a_tenth"] == 4
    assert found["first_tenth_ms_per_image"] == found["last_tenth_ms_per_image"] == 500.0
    assert found["last_over_first"] == 1.0
    assert found["last_tenth_resident_gb"] - found["first_tenth_resident_gb"] > 0


def test_a_run_that_slows_down_shows_it() -> None:
    ticks = [Tick(float(index**2), 0) for index in range(40)]
    found = linearity(ticks, window=2)
    assert found is not None
    assert found["last_over_first"] == pytest.approx((39**2 - 35**2) / (5**2 - 1))


def test_a_short_run_says_nothing_about_linearity() -> None:
    assert linearity([Tick(float(index), 0) for index in range(5)], window=2) is None
