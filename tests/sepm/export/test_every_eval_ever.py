"""Files of Every Eval Ever: what its schema 0.3.0 requires, and what its validator compares.

Its package, which needs Python 3.12, is not installed here; docs/export.md has the command.
"""

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError
from sepm.export.every_eval_ever import Origin, every_eval_ever_files

ORIGIN = Origin(developer="liuhaotian", organization="A Laboratory")
# data/<collection>/<developer>/<model>/<UUID of version 4>.json
PATH = re.compile(
    r"data/emoset/liuhaotian/llava-v1\.5-7b/"
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(\.json|_samples\.jsonl)"
)
AGGREGATE = {
    *("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata"),
    *("model_info", "eval_library", "evaluation_results"),
}
SAMPLE = {
    *("schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id"),
    *("interaction_type", "input", "answer_attribution", "evaluation"),
}


def parsed(files: dict[str, str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    aggregate, samples = files.values()
    return json.loads(aggregate), [json.loads(line) for line in samples.splitlines()]


@pytest.fixture(scope="module", params=["zero_shot", "sepm"])
def files(request: pytest.FixtureRequest) -> dict[str, str]:
    return every_eval_ever_files(request.getfixturevalue(request.param), ORIGIN)


def test_files_lie_where_the_data_store_has_them(files: dict[str, str]) -> None:
    first, second = files
    assert PATH.fullmatch(first)
    assert PATH.fullmatch(second)
    assert second == first.replace(".json", "_samples.jsonl")


def test_every_required_field_is_there(files: dict[str, str]) -> None:
    aggregate, samples = parsed(files)
    assert aggregate.keys() >= AGGREGATE
    assert aggregate["source_metadata"].keys() >= {
        *("source_type", "source_organization_name", "evaluator_relationship"),
    }
    details = aggregate["model_info"]["additional_details"]
    assert details.keys() >= {"deployment_type", "model_availability"}
    for result in aggregate["evaluation_results"]:
        assert result.keys() >= {"evaluation_name", "source_data", "metric_config", "score_details"}
        assert result["metric_config"].keys() >= {"lower_is_better", "min_score", "max_score"}
    for line in samples:
        assert line.keys() >= SAMPLE
        assert line["input"].keys() >= {"raw", "reference"}
        assert ("output" in line) == (line["interaction_type"] == "single_turn")
        assert ("messages" in line) == (line["interaction_type"] == "multi_turn")


def test_details_are_texts(files: dict[str, str]) -> None:
    aggregate, samples = parsed(files)
    details = [aggregate["model_info"]["additional_details"]]
    details += [
        result["score_details"].get("details", {}) for result in aggregate["evaluation_results"]
    ]
    details += [line["metadata"] for line in samples]
    assert all(isinstance(value, str) for each in details for value in each.values())


def test_both_files_name_the_same_evaluation_and_model(files: dict[str, str]) -> None:
    aggregate, samples = parsed(files)
    named = {(line["evaluation_id"], line["model_id"]) for line in samples}
    assert named == {(aggregate["evaluation_id"], aggregate["model_info"]["id"])}
    pointer = aggregate["detailed_evaluation_results"]
    path, text = list(files.items())[1]
    assert (pointer["file_path"], pointer["total_rows"]) == (path, len(samples))
    assert pointer["checksum"] == hashlib.sha256(text.encode()).hexdigest()


def test_the_accuracy_is_the_mean_of_the_samples_with_its_interval(files: dict[str, str]) -> None:
    aggregate, samples = parsed(files)
    accuracy = aggregate["evaluation_results"][0]
    assert accuracy["evaluation_result_id"] == samples[0]["evaluation_result_id"] == "accuracy"
    scores = [line["evaluation"]["score"] for line in samples]
    assert accuracy["score_details"]["score"] == sum(scores) / len(scores) == 0.5
    uncertainty = accuracy["score_details"]["uncertainty"]
    assert uncertainty["num_samples"] == len(samples)
    bounds = uncertainty["confidence_interval"]
    assert 0 < bounds["lower"] < 0.5 < bounds["upper"] < 1


def test_an_image_that_could_not_be_run_is_counted_and_has_no_line(zero_shot: StoredRun) -> None:
    aggregate, samples = parsed(every_eval_ever_files(zero_shot, ORIGIN))
    assert "awe/lost.png" not in [line["sample_id"] for line in samples]
    assert aggregate["evaluation_results"][0]["score_details"]["details"]["errors"] == "1"


def test_an_unread_answer_and_a_tie_are_told(zero_shot: StoredRun) -> None:
    _, (_, _, unread, tied) = parsed(every_eval_ever_files(zero_shot, ORIGIN))
    (answer,) = unread["answer_attribution"]
    assert (answer["extracted_value"], answer["extraction_method"]) == ("", "unread")
    assert unread["output"] == {"raw": ["a lovely day"]}
    assert tied["input"]["reference"] == ["fear", "anger"]
    assert tied["evaluation"] == {"score": 1.0, "is_correct": True}


def test_two_stages_are_two_turns_of_which_the_second_decides(sepm: StoredRun) -> None:
    _, (clear, ambiguous) = parsed(every_eval_ever_files(sepm, ORIGIN))
    assert [turn["content"] for turn in clear["messages"]] == ["coarse?", "A", "fine?", "C"]
    found = [
        [
            (a["turn_idx"], a["extracted_value"], a["is_terminal"])
            for a in line["answer_attribution"]
        ]
        for line in (clear, ambiguous)
    ]
    assert found == [
        [(1, "positive", False), (3, "awe", True)],
        [(1, "ambiguous", False), (3, "awe", True)],
    ]


def test_a_run_exported_again_replaces_itself_and_another_does_not(sepm: StoredRun) -> None:
    names = list(every_eval_ever_files(sepm, ORIGIN))
    assert list(every_eval_ever_files(replace(sepm), ORIGIN)) == names
    other = replace(sepm, records=sepm.records[:1])
    assert list(every_eval_ever_files(other, ORIGIN)) != names


def test_a_run_without_answers_is_refused(zero_shot: StoredRun) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        every_eval_ever_files(replace(zero_shot, records=zero_shot.records[1:2]), ORIGIN)


@pytest.mark.parametrize("developer", ["", "a/b"])
def test_a_developer_is_a_name(developer: str) -> None:
    with pytest.raises(InputError, match="developer must be a name without a slash"):
        Origin(developer=developer, organization="x")
