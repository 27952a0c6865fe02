"""Files of lmms-eval: names, fields and numbers as its tracker writes and its readers want them."""

import json
from statistics import stdev
from typing import Any

import pytest

from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError
from sepm.export.lmms_eval import lmms_eval_files

PREFIX = "llava-v1.5-7b/20251127_080000"


@pytest.fixture(scope="module")
def files(zero_shot: StoredRun, sepm: StoredRun) -> dict[str, str]:
    return lmms_eval_files([zero_shot, sepm])


@pytest.fixture(scope="module")
def results(files: dict[str, str]) -> dict[str, Any]:
    return json.loads(files[f"{PREFIX}_results.json"])


def samples(files: dict[str, str], task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[f"{PREFIX}_samples_{task}.jsonl"].splitlines()]


def test_a_model_has_one_file_of_results_and_one_of_samples_for_each_run(files) -> None:
    tasks = ("emoset_sepm", "emoset_zero_shot")
    names = [f"{PREFIX}_results.json", *(f"{PREFIX}_samples_{task}.jsonl" for task in tasks)]
    assert sorted(files) == names


def test_results_have_the_fields_that_the_tool_writes(results) -> None:
    assert {
        *("results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better"),
        *("n-samples", "config", "git_hash", "date", "task_hashes", "model_source", "model_name"),
        *("model_name_sanitized", "total_evaluation_time_seconds"),
    } <= results.keys()
    assert results["results"]["emoset_zero_shot"].keys() == {
        *("alias", "samples", "accuracy,none", "accuracy_stderr,none", "accuracy_stderr_clt,none"),
        *("macro_f1,none", "macro_f1_stderr,none"),
    }


def test_the_aggregate_is_the_mean_of_the_samples_with_its_standard_error(files, results) -> None:
    scores = [line["accuracy"] for line in samples(files, "emoset_zero_shot")]
    assert scores == [1.0, 0.0, 0.0, 1.0]
    stated = results["results"]["emoset_zero_shot"]
    assert (stated["accuracy,none"], stated["samples"]) == (0.5, 4)
    assert stated["accuracy_stderr,none"] == pytest.approx(stdev(scores) / 4**0.5)
    assert results["n-samples"]["emoset_zero_shot"] == {"original": 5, "effective": 4}


def test_a_sample_has_the_fields_of_the_tool_and_keeps_its_place_among_all_rows(files) -> None:
    first, second, third, tied = samples(files, "emoset_zero_shot")
    assert [line["doc_id"] for line in (first, second, third, tied)] == [0, 2, 3, 4]
    assert first.keys() >= {"doc_id", "target", "resps", "filtered_resps", "doc_hash", "input"}
    assert (first["resps"], first["filtered_resps"], first["target"]) == (["C"], "awe", "awe")
    assert (third["resps"], third["filtered_resps"]) == (["a lovely day"], "[invalid]")
    assert (tied["filtered_resps"], tied["target"]) == ("anger", "anger")
    assert first["input_media"] == ["awe/awe_00001.png"]


def test_a_document_has_the_same_hash_in_every_run(files) -> None:
    once, again = samples(files, "emoset_zero_shot")[0], samples(files, "emoset_sepm")[0]
    assert once["doc_hash"] == again["doc_hash"]
    assert once["doc_hash"] != samples(files, "emoset_sepm")[1]["doc_hash"]


def test_settings_of_a_run_stand_with_its_task(results) -> None:
    about = results["configs"]["emoset_sepm"]["metadata"]
    assert (about["method"], about["configuration"]["alpha"]) == ("sepm", 0.1)


def test_two_runs_of_one_name_are_refused(sepm: StoredRun) -> None:
    with pytest.raises(InputError, match="are both task emoset_sepm"):
        lmms_eval_files([sepm, sepm])
