"""The head of the page: which run is ahead, and what the runs were made with."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sepm.analysis.paired import pair_up, paired_counts
from sepm.report.runs import RunGroup, read_run_groups
from sepm.report.summary import cut, facts, verdicts


def changed(group: RunGroup, wrong: int) -> RunGroup:
    """Zero-shot against itself with its first right answers made wrong."""
    reference = group.runs[0]
    right = [r["question_id"] for r in reference.records if r["correct"]][:wrong]
    records = [{**r, "correct": r["correct"] and r["question_id"] not in right}
               for r in reference.records]  # fmt: skip
    return replace(group, runs=(reference, replace(reference, name="other", records=records)))


def test_the_head_says_which_run_is_ahead_and_by_how_much(group: RunGroup, recorded: Any) -> None:
    rows = [recorded(method) for method in ("zero-shot", "sepm")]
    first, second = (sum(row["correct"] for row in run) for run in rows)
    (verdict,) = verdicts(group)
    by = f"{100 * (second - first) / 40:.2f} points"
    assert verdict.headline == (
        f"sepm is ahead of zero-shot by {by}, which can be told from chance"
    )
    accuracies = f"sepm {100 * second / 40:.2f}%, zero-shot {100 * first / 40:.2f}% of 40 images"
    assert verdict.numbers.startswith(accuracies)
    p = paired_counts(pair_up(*rows)).p_value
    assert verdict.numbers.endswith(f"exact McNemar p = {p:.2g}).")


@pytest.mark.parametrize(
    ("wrong", "headline"),
    [
        (0, "other and zero-shot are level"),
        (5, "zero-shot is ahead of other by 12.50 points, which cannot be told from chance"),
        (6, "zero-shot is ahead of other by 15.00 points, which can be told from chance"),
    ],  # p = 2 / 2⁵ = 0.0625 and 2 / 2⁶ = 0.031
)
def test_a_difference_that_may_be_chance_is_called_so(
    group: RunGroup, wrong: int, headline: str
) -> None:
    assert verdicts(changed(group, wrong))[0].headline == headline


def test_one_run_alone_and_runs_without_a_common_image_have_a_head_too(group: RunGroup) -> None:
    reference, other = group.runs
    (alone,) = verdicts(replace(group, runs=(other,)))
    n = other.summary["correct"]
    assert alone.headline == f"sepm answers {100 * n / 40:.2f}% right"
    assert alone.numbers.startswith(f"{n} of 40 images; 95% interval ")
    apart = (replace(reference, records=reference.records[:20]),
             replace(other, records=other.records[20:]))  # fmt: skip
    (verdict,) = verdicts(replace(group, runs=apart))
    assert verdict.headline == "sepm and zero-shot have no image in common"


def test_of_more_runs_each_is_set_against_zero_shot(tmp_path: Path, write_run: Any) -> None:
    for name, method in (("zero-shot", "zero-shot"), ("sepm", "sepm"), ("sepm-beta0.4", "sepm")):
        write_run(tmp_path, method, name=name, beta=0.4 if "beta" in name else 0.2)
    (group,) = read_run_groups([tmp_path])
    headlines = [verdict.headline.split(" by ")[0] for verdict in verdicts(group)]
    assert headlines == ["sepm is ahead of zero-shot", "sepm-beta0.4 is ahead of zero-shot"]
    found = {fact.name: fact for fact in facts(group)}
    assert found["β"].value == "0.2, 0.4 (by run)"
    assert found["β"].whole.endswith("dropped. 0.2: sepm; 0.4: sepm-beta0.4")  # of two that drop
    assert found["α"].value == "0.1"


def test_the_head_tells_what_the_runs_were_made_with(tmp_path: Path, write_run: Any) -> None:
    for method in ("zero-shot", "sepm"):
        folder = write_run(tmp_path, method, vision_dtype="float16")
        os.utime(folder / "accuracy.json", (0, 86_400 * 365))
    (group,) = read_run_groups([tmp_path])
    assert {fact.name: fact.value for fact in facts(group)} == {
        "model": "llava-v1.5-7b",
        "checkpoint": "4567",
        "data": "emoset: EmoSet-118K, 8 classes",
        "images": "40",
        "question file": "0123",
        "preset": "paper",
        "α": "0.1",
        "β": "0.2",
        "dtype": "float32, vision tower float16",
        "date": "1971-01-01",
    }


def test_a_long_hash_loses_its_middle(group: RunGroup) -> None:
    hashes = {"question_file": 40 * "a" + 24 * "b", "checkpoint": "4567"}
    (run, *_) = group.runs
    long = replace(group, runs=(replace(run, facts={**run.facts, "sha256": hashes}),))
    (fact,) = (fact for fact in facts(long) if fact.name == "question file")
    assert (fact.value, fact.whole) == ("aaaaaaa…bbbbbbbb", hashes["question_file"])
    assert cut("0123456789abcdef") == "0123456789abcdef"
    assert cut("0123456789abcdef0") == "0123456…9abcdef0"


def test_every_device_that_computed_rows_of_a_run_is_named(group: RunGroup) -> None:
    run = group.runs[0]
    for machines, shown in (
        ([{"device_name": "A100"}, {"device_name": "H100"}, {"device_name": "A100"}],
         "A100 and H100"),
        ([{}, {"device_name": "H100"}], "unknown and H100"),
    ):  # fmt: skip
        told = replace(run, facts={**run.facts, "machines": machines})
        (device,) = [f for f in facts(replace(group, runs=(told,))) if f.name == "device"]
        assert device.value == shown
