"""Two hand-made runs of a few samples, side by side."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sepm.analysis.compare import compare, differences
from sepm.analysis.compare_text import as_document, reading
from sepm.analysis.paired import P_AND_INTERVAL
from sepm.analysis.stored_run import StoredRun
from sepm.documents import as_markdown
from sepm.errors import InputError
from sepm.method.config import PRESETS

FACTS = {
    **{"dataset": "emoset", "method": "sepm", "model": "m", "preset": "paper"},
    "configuration": {**asdict(PRESETS["paper"]), "dtype": "float16"},
    "sha256": {"checkpoint": "c"},
    "environment": {"device_name": "RTX 4090", "git_commit": "1"},
    "timing": {"batch_size": 8},
}


def as_text(found: dict[str, Any]) -> str:
    return as_markdown(as_document(found))


def record(
    key: str,
    prediction: str | None,
    probs: tuple[float, ...] = (0.6, 0.3),
    branch: str = "positive",
    dropped: tuple[int, ...] = (1, 2),
    p_a: float = 0.9,
) -> dict[str, Any]:
    return {
        **{"question_id": key, "label": "joy", "prediction": prediction},
        **{"correct": prediction == "joy", "status": "ok" if prediction else "unread"},
        "coarse": {
            **{"prompt": "Q", "text": "A", "p_a": p_a, "p_b": 0.05, "branch": branch},
            "confidence": (p_a - 0.05) ** 2 / 4,
        },
        "dropped": list(dropped),
        "fine": {"prompt": branch, "text": "", "probs": dict(zip("ACD", probs, strict=False))},
    }


def stored(*records: dict[str, Any], **facts: Any) -> StoredRun:
    return StoredRun(Path("run"), FACTS | facts, records)


FIRST = stored(
    record("a", "joy"), record("b", "joy"), record("c", "fear"), record("d", "fear"),
    record("e", None), record("f", "joy"),
)  # fmt: skip
SECOND = stored(
    record("a", "joy", p_a=0.8),
    record("b", "fear", branch="ambiguous"),
    record("c", "joy", (0.4, 0.38)),
    record("d", "calm", dropped=(2, 3)),
    record("e", "joy", (0.59, 0.3)),
    record("x", "joy"),
)


def test_flips_are_told_by_direction_and_cause() -> None:
    flips = compare(FIRST, SECOND)["flips"]
    assert flips["n"] == 4
    assert flips["directions"] == {"lost": 1, "gained": 2, "wrong to wrong": 1}
    assert [(flip["question_id"], flip["cause"]) for flip in flips["samples"]] == [
        ("b", "another branch"),
        ("c", "nothing that the rows show"),
        ("d", "other tokens dropped"),
        ("e", "nothing that the rows show"),
    ]
    assert flips["near_ties"] == 1  # c alone: 0.40 - 0.38


def test_another_prompt_of_the_same_branch_is_another_query() -> None:
    other = record("a", "fear")
    other["fine"]["prompt"] = "reworded"
    causes = compare(stored(record("a", "joy")), stored(other))["flips"]["causes"]
    assert causes["another query"] == 1


def test_an_unread_answer_is_not_written_as_a_class_of_that_name() -> None:
    first, second = (record("a", name) | {"label": "unread"} for name in ("unread", None))
    assert "| a      | unread | (unread) |" in as_text(compare(stored(first), stored(second)))


def test_the_paper_s_number_is_looked_up_and_not_believed() -> None:
    facts = {"model": "llava-v1.5-7b", "method": "zero-shot", "paper": {"reported": 0.99}}
    run = stored(record("a", "joy"), **facts)
    found = compare(run, run)
    assert found["runs"][0]["paper"]["reported"] is None
    assert "the paper's: n is 1; every accuracy in the paper fits n = 17716" in as_text(found)


def test_what_others_report_is_told_as_theirs() -> None:
    run = stored(record("a", "joy"), model="Qwen3-VL-8B-Instruct")
    found = compare(run, run)
    assert found["runs"][0]["reported_elsewhere"]["reported"] == pytest.approx(0.5725)
    said = "others, Decoding Affective Nuances, 2026, Table 1, Qwen3-VL-8B: 57.25; n is 1; 57.25"
    assert said in as_text(found)
    assert "reported_elsewhere" not in compare(FIRST, SECOND)["runs"][0]


def test_different_question_sets_are_compared_on_the_common_ones() -> None:
    found = compare(FIRST, SECOND)
    assert found["questions"]["common"] == 5
    assert found["accuracy"]["n"] == 5
    assert [run["correct"] for run in found["runs"]] == [2, 3]
    assert "compared on the 5 questions both ran" in as_text(found)


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(InputError, match="no question in common"):
        compare(stored(record("a", "joy")), stored(record("b", "joy")))


def test_branches_and_dropped_tokens_agree_as_counted() -> None:
    found = compare(FIRST, SECOND)
    assert found["branches"] == {
        "n": 5, "same": 4, "agreement": 0.8, "changes": {"positive to ambiguous": 1},
    }  # fmt: skip
    # d: one of three tokens is dropped by both.
    assert found["dropped"] == {"n": 5, "same": 4, "mean_jaccard": pytest.approx((4 + 1 / 3) / 5)}


def test_drift_is_over_the_samples_that_were_asked_the_very_same() -> None:
    drift = compare(FIRST, SECOND)["drift"]
    assert drift["coarse"] == {"n": 5, "median": 0, "max": pytest.approx(0.1)}
    assert drift["fine"]["n"] == 3  # a, c and e
    assert drift["fine"]["max"] == pytest.approx(0.2)


def test_methods_of_one_stage_have_no_branches_to_compare() -> None:
    rows = [record("a", "joy", dropped=())]
    del rows[0]["coarse"]
    found = compare(stored(*rows), stored(*rows))
    assert (found["branches"], found["dropped"], found["drift"]["coarse"]) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "labels", "images"),
    [({"label": "calm"}, 1, 0), ({"image_sha256": "2"}, 0, 1), ({}, 0, 0)],
)
def test_labels_and_images_that_are_known_to_differ_are_counted(
    fields: dict[str, str], labels: int, images: int
) -> None:
    here, there = (record("a", "joy") | more for more in ({"image_sha256": "1"}, fields))
    found = compare(stored(here), stored(there))
    assert found["questions"] == {"common": 1, "other_labels": labels, "other_images": images}
    # Before anything is said of the environment.
    assert next(reading(found)).startswith("Image files differ") == bool(images)


def test_differences_stand_in_their_groups() -> None:
    changed = FACTS | {
        "preset": "released",
        "configuration": FACTS["configuration"] | {"beta": 0.1},
        "sha256": {"checkpoint": "d"},
        "environment": FACTS["environment"] | {"device_name": "H200"},
        "timing": None,
    }
    environment = {"environment.device_name": ["RTX 4090", "H200"], "batch_size": [8, None]}
    assert differences(FACTS, changed) == {
        "settings": {"preset": ["paper", "released"], "configuration.beta": [0.2, 0.1]},
        "inputs": {"sha256.checkpoint": ["c", "d"]},
        "environment": environment,
    }


def test_settings_that_neither_method_reads_do_not_count_as_differences() -> None:
    other = FACTS["configuration"] | {"retain": 64, "beta": 0.1}
    zero_shot = FACTS | {"method": "zero-shot"}
    assert differences(zero_shot, zero_shot | {"configuration": other})["settings"] == {}
    assert (
        "configuration.dtype"
        in differences(FACTS, FACTS | {"configuration": other | {"dtype": "float32"}})["settings"]
    )


def test_two_devices_are_told_from_two_configurations() -> None:
    other_gpu = {"environment": FACTS["environment"] | {"device_name": "H200"}}
    second = stored(*SECOND.records, **other_gpu)
    assert next(reading(compare(FIRST, second))) == (
        "Only the environment differs, so flips come from arithmetic."
    )
    second = stored(*SECOND.records, preset="released")
    assert "look there first" in next(reading(compare(FIRST, second)))


def test_a_run_that_other_machines_shared_is_told_from_one_of_the_last_alone() -> None:
    last, other = {"device_name": "RTX 4090"}, {"device_name": "H200"}
    alone, shared = FACTS | {"machines": [last]}, FACTS | {"machines": [other, last]}
    assert differences(alone, FACTS)["environment"] == {}
    assert differences(alone, shared)["environment"] == {"machines": [None, [other, last]]}


def test_chance_is_not_called_a_difference() -> None:
    lines = list(reading(compare(FIRST, SECOND)))
    assert lines[1] == "2 gained and 1 lost: chance alone changes that much (McNemar p 1)."
    assert lines[2].startswith("2 of 4 flips saw the same query and tokens; 1 of these are near")
    assert lines[3] == P_AND_INTERVAL


def test_equal_runs_say_so() -> None:
    found = compare(FIRST, FIRST)
    assert list(reading(found)) == [
        "Nothing that was written down differs between the runs.",
        "No answer changed.",
    ]
    assert "dropped tokens: mean Jaccard 1.0000; the same in 6 of 6" in as_text(found)
    assert "same branch: 6 of 6" in as_text(found)
