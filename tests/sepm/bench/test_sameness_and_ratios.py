"""Figures derived from raw timings and outcomes, on numbers that one checks by hand."""

from sepm.bench.measure import ratios
from sepm.bench.sameness import compare_all
from sepm.bench.workload import SEPM
from sepm.method.dialogue import CoarseResult, Outcome, Reply
from sepm.method.prompts import Query

QUERY = Query("Which?")


def outcome(coarse: str = "A", fine: str = "C", dropped: tuple[int, ...] = ()) -> Outcome:
    verdict = CoarseResult(QUERY, Reply(coarse, coarse, {"A": 0.9, "B": 0.1}), 0.2, "positive")
    return Outcome(QUERY, Reply(fine, fine, {"C": 0.5}), ("C",), verdict, dropped)


def test_equal_answers_have_no_flips() -> None:
    same = {(SEPM, "1"): outcome()}
    (pair,) = compare_all({"reference": same, "batch-1": same})["pairs"]
    assert pair == {
        **{"variant": "batch-1", "baseline": "reference", "answers": 1},
        **{"letters": 0, "dropped": 0, "flips": []},
    }


def test_an_answer_with_two_other_letters_is_one_flip() -> None:
    same, other = {(SEPM, "1"): outcome()}, outcome(coarse="B", fine="D")
    (pair,) = compare_all(
        {
            "reference": same | {(SEPM, "2"): outcome()},
            "batch-1": same | {(SEPM, "2"): other},
        }
    )["pairs"]
    flip = {"run": SEPM, "question_id": "2", "here": ["B", "D"], "there": ["A", "C"]}
    assert (pair["answers"], pair["letters"], pair["flips"]) == (2, 1, [flip])


def test_other_dropped_tokens_alone_are_counted_but_are_no_other_letter() -> None:
    (pair,) = compare_all(
        {
            "reference": {(SEPM, "1"): outcome()},
            "batch-1": {(SEPM, "1"): outcome(dropped=(3,))},
        }
    )["pairs"]
    assert (pair["letters"], pair["dropped"]) == (0, 1)


def test_the_seven_runs_are_compared_with_each_other_beside_the_first_variant() -> None:
    sepm, fp = {(SEPM, "1"): outcome()}, {("fp", "1"): outcome()}
    found = compare_all({"reference": sepm, "separate": sepm | fp, "together": sepm | fp})
    assert [(p["variant"], p["baseline"], p["answers"]) for p in found["pairs"]] == [
        ("separate", "reference", 1),
        ("together", "reference", 1),
        ("together", "separate", 2),
    ]


def test_ratios_of_ours_are_taken_within_each_repeat() -> None:
    long, short = [8.0, 9.0, 40.0], [4.0, 3.0, 10.0]
    for numerator, denominator in (("batch-1", "batch-8"), ("separate", "together")):
        names = {"numerator": numerator, "denominator": denominator}
        found = ratios({numerator: long, denominator: short})
        assert found == [{**names, "median": 3.0, "min": 2.0, "max": 4.0}]


def test_the_reference_s_ratio_is_of_medians_and_bounded_by_what_lies_furthest_apart() -> None:
    assert ratios({"reference": [8.0, 9.0, 40.0], "batch-8": [4.0, 3.0, 10.0]}) == [
        {
            **{"numerator": "reference", "denominator": "batch-8"},
            **{"median": 9 / 4, "min": 8 / 10, "max": 40 / 3},
        }
    ]
