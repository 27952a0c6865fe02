import errno
import json
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from sepm.datasets.question_file import Question
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.evaluation.run_folder import (
    begin,
    finished_records,
    free_shards,
    locked,
    merge_shards,
)
from sepm.method.dialogue import Outcome, Reply
from sepm.method.prompts import Query
from sepm.records.writing import as_line, error_record, record_of

EMOSET = load_taxonomy("emoset")
QUESTIONS = [Question(key, f"{key}.jpg", "awe") for key in "abcd"]
FINE = Reply("C", "C", dict.fromkeys("ABCDEFGH", 0.1), read="letter")
A, B, C, D = (
    record_of(q, Outcome(Query("Which?"), FINE, ("C",)), EMOSET, "0" * 64) for q in QUESTIONS
)
ROWS = {"a": A, "b": B, "c": C, "d": D}
IDENTITY = {"method": "zero-shot", "configuration": {"alpha": 0.1, "beta": 0.2}}


def finished(folder: Path, identity: dict[str, Any] = IDENTITY) -> dict[str, Any]:
    return finished_records(folder, identity, EMOSET, QUESTIONS)


def test_a_folder_that_is_new_holds_nothing(tmp_path: Path) -> None:
    assert finished(tmp_path / "new") == {}


def test_finished_rows_are_found_again_and_errors_are_not(tmp_path: Path) -> None:
    begin(tmp_path, IDENTITY, [A, error_record(QUESTIONS[1], "x")])
    assert finished(tmp_path) == {"a": A}


def test_looking_changes_nothing(tmp_path: Path) -> None:
    begin(tmp_path, IDENTITY, [A])
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(path.read_bytes() + b'{"torn')
    finished(tmp_path)
    assert path.read_bytes().endswith(b'{"torn')


def test_differences_are_named_with_both_values(tmp_path: Path) -> None:
    begin(tmp_path, IDENTITY, [A])
    other = {"method": "cci", "configuration": {"alpha": 0.1, "beta": 0.3, "seed": 1}}
    with pytest.raises(InputError) as error:
        finished(tmp_path, other)
    assert (
        "method is 'zero-shot' there, 'cci' now; configuration.beta is 0.2 there, 0.3 now; "
        "configuration.seed is None there, 1 now. If that is a mistake, mend --method, --beta, "
        "--seed. Else choose another --output-dir, or start afresh with --overwrite"
    ) in str(error.value)
    assert "alpha" not in str(error.value)


@pytest.mark.parametrize(
    ("part", "option"),
    [
        ({"sha256": {"question_file": "now"}}, "--question-file"),
        ({"sha256": {"model_files": {"a": "now"}, "checkpoint": "now"}}, "--model-path"),
        ({"sha256": {"taxonomy": "now"}}, "--dataset"),
        ({"sha256": {"conversation": "now"}}, "--model-path"),
        ({"configuration": {"vision_dtype": "now"}}, "--vision-dtype"),
        ({"configuration": {"processor": {"size": "now"}}}, "--processor"),
    ],
)
def test_the_option_that_is_likely_wrong_is_named_before_what_removes_rows(
    part: dict[str, Any], option: str, tmp_path: Path
) -> None:
    begin(tmp_path, json.loads(json.dumps(part).replace("now", "another")), [A])
    with pytest.raises(InputError, match=f"mend {option}. Else choose another --output-dir, or st"):
        finished(tmp_path, part)


def test_long_values_are_shown_by_their_beginning(tmp_path: Path) -> None:
    begin(tmp_path, {"sha256": "a" * 64}, [A])
    with pytest.raises(InputError, match=r"'a{38}… there, 'b{38}… now"):
        finished(tmp_path, {"sha256": "b" * 64})


def test_rows_of_an_unknown_run_are_refused(tmp_path: Path) -> None:
    begin(tmp_path, IDENTITY, [A])
    (tmp_path / "run.json").unlink()
    with pytest.raises(InputError, match=r"predictions of an unknown run: no run\.json"):
        finished(tmp_path)


def test_rows_that_cannot_be_right_are_told_with_what_to_do(tmp_path: Path) -> None:
    begin(tmp_path, IDENTITY, [A, B | {"correct": False}])
    said = r"predictions\.jsonl:2: not a prediction.*\nRepair the rows or start afresh with --ov"
    with pytest.raises(InputError, match=said):
        finished(tmp_path)


def test_starting_afresh_removes_all_results_of_the_earlier_run(tmp_path: Path) -> None:
    for name in ("predictions.jsonl", "accuracy.json", "stage_1_answers.jsonl"):
        (tmp_path / name).write_text("old")
    (tmp_path / "notes.txt").write_text("the user's own")
    begin(tmp_path, IDENTITY, [])
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert left.keys() == {"predictions.jsonl", "run.json", "notes.txt"}
    assert left["predictions.jsonl"] == ""
    assert json.loads(left["run.json"]) == IDENTITY


# ---- shards of several processes


def write_rows(path: Path, *ids: str, torn: str = "") -> None:
    path.write_text("".join(as_line(ROWS[key]) for key in ids) + torn)


def ids_in(path: Path) -> list[str]:
    return [json.loads(line)["question_id"] for line in path.read_text().splitlines()]


def test_rows_of_all_processes_are_finished_each_once(tmp_path: Path) -> None:
    begin(tmp_path, IDENTITY, [A])
    write_rows(tmp_path / "predictions-1.jsonl", "a", "b", torn='{"question')
    write_rows(tmp_path / "predictions-12.jsonl", "c")
    assert finished(tmp_path).keys() == {"a", "b", "c"}


def test_merged_rows_stand_in_the_order_of_the_questions_and_no_shard_is_left(
    tmp_path: Path,
) -> None:
    write_rows(tmp_path / "predictions.jsonl", "c")
    write_rows(tmp_path / "predictions-1.jsonl", "d", "a")
    write_rows(tmp_path / "predictions-2.jsonl", "b", "a")
    merge_shards(tmp_path, "abcd")
    assert ids_in(tmp_path / "predictions.jsonl") == list("abcd")
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.jsonl"]


def test_rows_that_a_shared_disk_does_not_show_yet_are_told_and_nothing_is_removed(
    tmp_path: Path,
) -> None:
    write_rows(tmp_path / "predictions.jsonl", "c")
    write_rows(tmp_path / "predictions-1.jsonl", "a")
    with pytest.raises(InputError, match="2 of 4 rows are not to be seen, the first of b:"):
        merge_shards(tmp_path, "abcd")
    assert ids_in(tmp_path / "predictions.jsonl") == ["c"]
    assert ids_in(tmp_path / "predictions-1.jsonl") == ["a"]


def test_the_rows_of_a_single_process_stay_as_they_are(tmp_path: Path) -> None:
    write_rows(tmp_path / "predictions.jsonl", "c", "a")
    merge_shards(tmp_path, "abc")
    assert ids_in(tmp_path / "predictions.jsonl") == ["c", "a"]


def test_beginning_keeps_what_is_to_be_kept_in_one_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "predictions-1.jsonl", "a")
    begin(tmp_path, IDENTITY, [A])
    assert ids_in(tmp_path / "predictions.jsonl") == ["a"]
    assert not (tmp_path / "predictions-1.jsonl").exists()


def test_beginning_afresh_removes_shards_before_they_could_count_as_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "predictions-1.jsonl", "a")

    def full(path: Path, text: str) -> None:
        raise InputError("disk full")

    monkeypatch.setattr("sepm.evaluation.run_folder.write_whole", full)
    with pytest.raises(InputError, match="disk full"):
        begin(tmp_path, IDENTITY, [])
    assert not (tmp_path / "predictions-1.jsonl").exists()


def test_a_shard_that_is_still_written_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "predictions-1.jsonl", "a")
    assert free_shards(tmp_path) == [tmp_path / "predictions-1.jsonl"]
    with locked(tmp_path, 1), pytest.raises(InputError, match="is being written by another run"):
        free_shards(tmp_path)


# ---- the lock


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "a"),
        pytest.raises(InputError, match="is being written by another run"),
        locked(tmp_path / "a"),
    ):
        pass


def test_a_folder_is_free_again_after_a_run_that_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: Not a directory; choose another"):
        locked(tmp_path / "file" / "results").__enter__()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("flock is not supported")],
)
def test_a_disk_without_locks_is_told(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(InputError, match=r"without file locks.*\(.*\); choose an --output-dir on"):
        locked(tmp_path).__enter__()


@pytest.mark.parametrize("left", [False, True])
def test_a_disk_without_locks_gets_none_that_would_outlive_a_killed_run(
    left: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    if left:  # as by a run that another node killed
        (tmp_path / ".lock").write_text("4711\nnode17\n")
    for _ in range(2):  # and the first leaves none that the second would take for a run's
        with pytest.raises(InputError, match=r"without file locks.*choose an --output-dir"):
            locked(tmp_path).__enter__()
    monkeypatch.undo()
    with locked(tmp_path):
        assert (tmp_path / ".lock").exists()


def test_locks_that_threads_take_at_once_leave_warnings_as_they_were(tmp_path: Path) -> None:
    def lock_often(folder: Path) -> None:
        for _ in range(100):
            with locked(folder):
                pass

    before, interval = list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lock_often, [tmp_path / str(i) for i in range(4)]))
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before


def test_shards_stay_until_the_rows_of_all_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, key in (("predictions.jsonl", "a"), ("predictions-1.jsonl", "b")):
        (tmp_path / name).write_text(as_line(ROWS[key]))
    there: list[bool] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda file: (there.append((tmp_path / "predictions-1.jsonl").exists()), fsync(file)),
    )
    merge_shards(tmp_path, ["a", "b"])
    assert there == [True, True]  # the file's own, then its folder's
    assert not (tmp_path / "predictions-1.jsonl").exists()
