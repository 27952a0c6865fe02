import errno
import math
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sepm.datasets.question_file import Question
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import RunError
from sepm.method.dialogue import CoarseResult, Outcome, Reply
from sepm.method.prompts import Query
from sepm.records import writing as records
from sepm.records.reading import read_records
from sepm.records.writing import RecordFile, error_record, record_of

EMOSET = load_taxonomy("emoset")
AWE = Question("awe/1.jpg", "awe/1.jpg", "awe")
SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def outcome(letter: str | None, text: str, **probs: float) -> Outcome:
    return Outcome(Query("Which?"), Reply(letter, text, probs), tuple(probs))


# ---- one record by hand


def test_a_read_answer_is_a_prediction() -> None:
    assert record_of(AWE, outcome("C", "C", A=0.25, C=0.5), EMOSET, SHA256) == {
        "question_id": "awe/1.jpg",
        "image": "awe/1.jpg",
        "label": "awe",
        "image_sha256": SHA256,
        "prediction": "awe",
        "correct": True,
        "status": "ok",
        "dropped": [],
        "fine": {"prompt": "Which?", "text": "C", "read": None, "probs": {"A": 0.25, "C": 0.5}},
    }


def test_both_stages_say_how_their_answer_was_read() -> None:
    probs = {"A": 0.6, "B": 0.1}
    coarse = Reply("A", "It is positive.", probs, read="text")
    fine = Reply("C", "C", {"C": 0.5}, read="letter")
    record = record_of(
        AWE,
        Outcome(Query("?"), fine, ("C",), CoarseResult(Query("?"), coarse, 0.0625, "ambiguous")),
        EMOSET,
        SHA256,
    )
    assert (record["coarse"]["read"], record["fine"]["read"]) == ("text", "letter")


def test_an_unread_answer_keeps_its_text_and_is_wrong() -> None:
    record = record_of(AWE, outcome(None, "a fine day", A=0.1), EMOSET, SHA256)
    assert (record["prediction"], record["correct"], record["status"]) == (None, False, "unread")
    assert record["fine"]["text"] == "a fine day"


def test_a_letter_that_was_not_offered_is_read_as_its_class() -> None:
    record = record_of(AWE, outcome("B", "B", A=0.1, C=0.2), EMOSET, SHA256)
    assert (record["prediction"], record["status"], record["correct"]) == ("anger", "ok", False)
    assert "B" not in record["fine"]["probs"]


def test_any_of_several_labels_is_correct_and_all_are_kept() -> None:
    tied = Question("fear/2.jpg", "fear/2.jpg", "fear", other_labels=("awe",))
    record = record_of(tied, outcome("C", "C", C=0.5), EMOSET, SHA256)
    assert (record["correct"], record["label"], record["labels"]) == (True, "fear", ["fear", "awe"])


def test_an_error_row_says_why_and_predicts_nothing() -> None:
    assert error_record(AWE, "no such file") == {
        "question_id": "awe/1.jpg",
        "image": "awe/1.jpg",
        "label": "awe",
        "prediction": None,
        "correct": False,
        "status": "error",
        "error": "no such file",
    }


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_probabilities_that_are_no_numbers_stop_the_run(value: float) -> None:
    with pytest.raises(RunError, match=r"awe/1\.jpg.*not numbers.*--dtype bfloat16"):
        record_of(AWE, outcome("A", "A", A=value), EMOSET, SHA256)
    coarse = CoarseResult(Query("Which?"), Reply("A", "A", {"A": value, "B": 0}), 0.2, "positive")
    fine = Outcome(Query("?"), Reply("A", "A", {"A": 1}), ("A",), coarse)
    with pytest.raises(RunError, match="not numbers"):
        record_of(AWE, fine, EMOSET, SHA256)


# ---- a file that grows


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    rows = [error_record(Question(f"é\u2028\n{n}", "1.jpg", "awe"), "gone") for n in range(2)]
    for row in rows:
        with RecordFile(tmp_path / "p.jsonl") as file:
            file.append(row)
    assert list(read_records([tmp_path / "p.jsonl"], EMOSET).values()) == rows


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the disk was waited for, on a clock that goes on by 0.4 s whenever it is read."""
    clock, times = count(step=0.4), []
    monkeypatch.setattr(records.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(records.os, "fsync", lambda file: times.append(next(clock)))
    return times


def test_rows_are_handed_on_at_once_and_the_disk_is_waited_for_once_a_second(
    synced: list[float], tmp_path: Path
) -> None:
    path = tmp_path / "p.jsonl"
    with RecordFile(path) as file:
        for number in range(8):
            file.append({"question_id": str(number), "status": "ok"})
            assert len(path.read_text().splitlines()) == number + 1
        assert len(synced) == 2  # after 3 of 8 rows, and 3 later ones
    assert len(synced) == 3  # and at the end


def test_a_disk_that_is_full_at_the_end_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with (
        pytest.raises(RunError, match=r"p\.jsonl: cannot be written: No space left on device"),
        RecordFile(tmp_path / "p.jsonl") as file,
    ):
        file.append({"question_id": "1", "status": "ok"})


# ---- the records of a run


def test_each_question_has_a_line_that_agrees_with_its_run(finished: dict, scenes: Any) -> None:
    """Above all the confidence, the branch and the options shown follow from p_A and p_B."""
    ids = [(q["question_id"], q["image"]) for q in scenes.questions()]
    asked = [Question(key, image, key.split("/")[0]) for key, image in ids]
    for run in finished.values():
        assert len(run.predictions.read_text().splitlines()) == len(asked) == 24
        read = read_records([run.predictions], EMOSET, asked, run.accuracy())
        assert read == run.records()


def test_the_fields_of_both_stages(finished: dict) -> None:
    for row in finished["sepm"].records().values():
        assert list(row) == [
            *("question_id", "image", "label", "image_sha256"),
            *("prediction", "correct", "status"),
            *("coarse", "dropped", "fine", "foe_scores"),
        ]
        assert list(row["coarse"]) == [
            *("prompt", "text", "read", "p_a", "p_b", "confidence", "branch", "off_menu")
        ]
        assert list(row["fine"]) == ["prompt", "text", "read", "probs"]
        assert row["label"] == row["question_id"].split("/")[0]
        assert row["correct"] is (row["prediction"] == row["label"])
        assert row["status"] == ("ok" if row["prediction"] else "unread")


def test_a_method_of_one_stage_has_its_query_under_fine_and_no_coarse(finished: dict) -> None:
    for row in finished["zero-shot"].records().values():
        assert list(row) == [
            *("question_id", "image", "label", "image_sha256"),
            *("prediction", "correct", "status"),
            *("dropped", "fine"),
        ]
        assert row["dropped"] == []
        assert row["fine"]["prompt"].splitlines()[1:-1] == [
            *("A. Amusement", "B. Anger", "C. Awe", "D. Content"),
            *("E. Disgust", "F. Excitement", "G. Fear", "H. Sad"),
        ]


def test_the_lowest_fifth_of_the_scores_is_dropped_ascending(finished: dict) -> None:
    for row in finished["sepm"].records().values():
        scores = row["foe_scores"]
        by_score = sorted(range(len(scores)), key=lambda index: scores[index])
        assert row["dropped"] == sorted(by_score[: len(scores) // 5])
        assert all(0 <= score <= 1 for score in scores)


def test_probabilities_are_those_of_the_options_that_the_query_shows(finished: dict) -> None:
    rows = finished["sepm"].records().values()
    for row in rows:
        probs, lines = row["fine"]["probs"], row["fine"]["prompt"].splitlines()
        assert [line[0] for line in lines if line[1:3] == ". "] == list(probs)
        assert 0 < sum(probs.values()) <= 1 + 1e-6
    assert {"ambiguous"} < {row["coarse"]["branch"] for row in rows}


def test_the_answer_is_the_most_probable_letter_where_it_is_one(finished: dict) -> None:
    rows = [*finished["sepm"].records().values(), *finished["zero-shot"].records().values()]
    letters = [row for row in rows if row["fine"]["text"] in row["fine"]["probs"]]
    assert letters
    for row in letters:
        probs = row["fine"]["probs"]
        assert probs[row["fine"]["text"]] == max(probs.values())
