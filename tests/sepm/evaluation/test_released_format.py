"""The released code's files: what is in them, and that its scorer's rule reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from sepm.datasets.question_file import Question
from sepm.datasets.tasks import load_taxonomy
from sepm.evaluation.released_format import write_released_files

BOTH_FAMILIES = True
ANSWER_FIELDS = ["question_id", "prompt", "text", "answer_id", "model_id", "metadata"]
CLASS_OF_LETTER = {
    **{"A": "amusement", "B": "anger", "C": "awe", "D": "contentment"},
    **{"E": "disgust", "F": "excitement", "G": "fear", "H": "sadness"},
}


def released_accuracy(answers: list[dict[str, Any]]) -> float:
    """The rule of the released scorer: a bare letter names a class, which begins the question id.

    The scorer raises on any other text; here that counts as wrong.
    """
    right = sum(
        CLASS_OF_LETTER.get(answer["text"]) == answer["question_id"].split("/")[0]
        for answer in answers
    )
    return right / len(answers)


@pytest.mark.parametrize("method", ["zero-shot", "sepm"])
def test_the_released_scorer_gets_our_accuracy(method: str, finished: dict) -> None:
    answers = finished[method].lines("stage_2_answers.jsonl")
    assert len(answers) == 24
    assert released_accuracy(answers) == pytest.approx(finished[method].accuracy()["accuracy"])


def test_answers_have_the_released_fields(finished: dict, tiny_model: Path) -> None:
    for answer in finished["sepm"].lines("stage_2_answers.jsonl"):
        assert list(answer) == ANSWER_FIELDS
    for answer in finished["sepm"].lines("stage_1_answers.jsonl"):
        assert list(answer) == [*ANSWER_FIELDS, "mask_index", "var"]
        assert answer["model_id"] == tiny_model.name


def test_answer_ids_are_short_and_unique(finished: dict) -> None:
    answers = [
        a for stage in (1, 2) for a in finished["sepm"].lines(f"stage_{stage}_answers.jsonl")
    ]
    ids = {answer["answer_id"] for answer in answers}
    assert len(ids) == 48
    assert {len(answer_id) for answer_id in ids} == {22}


def test_stage_1_tells_the_branch_dropped_tokens_and_variance(finished: dict) -> None:
    records = finished["sepm"].records()
    answers = finished["sepm"].lines("stage_1_answers.jsonl")
    assert [a["question_id"] for a in answers] == [
        q["question_id"] for q in finished["sepm"].lines("stage_2_questions.jsonl")
    ]
    for answer in answers:
        record = records[answer["question_id"]]
        assert answer["mask_index"] == record["dropped"]
        assert answer["var"] == record["coarse"]["confidence"]
        assert answer["prompt"] == record["coarse"]["prompt"]


def test_stage_2_questions_are_what_stage_2_was_asked(finished: dict) -> None:
    records = finished["sepm"].records()
    for question in finished["sepm"].lines("stage_2_questions.jsonl"):
        record = records[question["question_id"]]
        assert question == {
            "question_id": record["question_id"],
            "image": record["image"],
            "text": record["fine"]["prompt"],
            "category": record["label"],
            "mask_index": record["dropped"],
        }


def test_rows_are_in_the_question_files_order(finished: dict, scenes: Any) -> None:
    order = [question["question_id"] for question in scenes.questions()]
    answers = finished["sepm"].lines("stage_2_answers.jsonl")
    assert [answer["question_id"] for answer in answers] == order


def test_a_method_of_one_stage_has_stage_2_answers_only(finished: dict) -> None:
    names = {path.name for path in finished["zero-shot"].folder.glob("stage_*")}
    assert names == {"stage_2_answers.jsonl"}


# ---- by hand


def record(branch: str, text: str, prediction: str | None, status: str = "ok") -> dict[str, Any]:
    coarse = {"prompt": "Q?", "text": "A", "p_a": 0.476, "p_b": 0.3049, "branch": branch}
    fine = {"prompt": "Which?", "text": text, "probs": {}}
    coarse["confidence"] = 0.0073
    made: dict[str, Any] = {"question_id": "awe/1.jpg", "label": "awe", "status": status}
    return made | {"prediction": prediction, "coarse": coarse, "dropped": [2, 5], "fine": fine}


def texts(stage: int, record: dict[str, Any], folder: Path) -> list[str]:
    """Texts of a stage's answers, for this one record."""
    questions = [Question("awe/1.jpg", "awe/1.jpg", "awe")]
    write_released_files(folder, questions, [record], load_taxonomy("emoset"), "m")
    lines = (folder / f"stage_{stage}_answers.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.mark.parametrize(
    ("branch", "text"), [("positive", "A"), ("negative", "B"), ("ambiguous", "48 30")]
)
def test_the_stage_1_text_is_a_letter_or_both_probabilities_in_percent(
    branch: str, text: str, tmp_path: Path
) -> None:
    assert texts(1, record(branch, "C", "awe"), tmp_path) == [text]


def test_an_answer_in_words_becomes_its_letter(tmp_path: Path) -> None:
    assert texts(2, record("positive", "It is awe.", "awe"), tmp_path) == ["C"]


def test_an_unread_answer_keeps_its_text(tmp_path: Path) -> None:
    assert texts(2, record("positive", "a dog", None, "unread"), tmp_path) == ["a dog"]


def test_rows_with_errors_are_left_out(tmp_path: Path) -> None:
    assert texts(2, record("positive", "", None, "unread") | {"status": "error"}, tmp_path) == []


def test_the_same_rows_give_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "stage_2_answers.jsonl"
    texts(2, record("positive", "C", "awe"), tmp_path)
    before = path.read_bytes()
    texts(2, record("positive", "C", "awe"), tmp_path)
    assert path.read_bytes() == before
