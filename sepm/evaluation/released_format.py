"""A run's stages in the released code's files, so that what is built on them can read ours."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import shortuuid

from sepm.datasets.files import write_whole
from sepm.datasets.question_file import Question
from sepm.method.taxonomy import Taxonomy
from sepm.records.writing import Record, as_line

RELEASED_FILES = STAGE_1_ANSWERS, STAGE_2_QUESTIONS, STAGE_2_ANSWERS = (
    "stage_1_answers.jsonl",
    "stage_2_questions.jsonl",
    "stage_2_answers.jsonl",
)


def write_released_files(
    folder: Path,
    questions: Iterable[Question],
    records: Iterable[Record],
    taxonomy: Taxonomy,
    model: str,
) -> None:
    """Write the stages' answers and the questions of stage 2.

    A method of one stage has stage-2 answers only. An ambiguous row's stage-1 text is, as there,
    p_A and p_B in percent. Rows with errors are left out.
    """
    asked = {q.question_id: q for q in questions}
    run = [r for r in records if r["status"] != "error"]
    files = {STAGE_2_ANSWERS: [_stage_2_answer(r, taxonomy, model) for r in run]}
    if staged := [r for r in run if "coarse" in r]:
        files[STAGE_1_ANSWERS] = [_stage_1_answer(r, model) for r in staged]
        files[STAGE_2_QUESTIONS] = [_stage_2_question(r, asked[r["question_id"]]) for r in staged]
    for name, rows in files.items():
        write_whole(folder / name, "".join(map(as_line, rows)))


def _stage_1_answer(record: Record, model: str) -> dict[str, Any]:
    coarse = record["coarse"]
    percent = f"{round(coarse['p_a'] * 100)} {round(coarse['p_b'] * 100)}"
    text = {"positive": "A", "negative": "B", "ambiguous": percent}[coarse["branch"]]
    answer = _answer(record, coarse["prompt"], text, model)
    return {**answer, "mask_index": record["dropped"], "var": coarse["confidence"]}


def _stage_2_question(record: Record, question: Question) -> dict[str, Any]:
    return {
        "question_id": question.question_id,
        "image": question.image,
        "text": record["fine"]["prompt"],
        "category": question.label,
        "mask_index": record["dropped"],
    }


def _stage_2_answer(record: Record, taxonomy: Taxonomy, model: str) -> dict[str, Any]:
    """With the class's letter in the full list, which is all that the released scorer takes.

    Where letters were renumbered it is not the letter that the prompt shows. Unread: the raw text.
    """
    text = record["fine"]["text"]
    if record["prediction"] is not None:
        text = taxonomy.by_name(record["prediction"]).option_letter
    return _answer(record, record["fine"]["prompt"], text, model)


def _answer(record: Record, prompt: str, text: str, model: str) -> dict[str, Any]:
    question_id: str = record["question_id"]
    return {
        "question_id": question_id,
        "prompt": prompt,
        "text": text,
        # Made from the row, so that the same run gives the same file.
        "answer_id": shortuuid.uuid(name="\n".join((model, question_id, prompt, text))),
        "model_id": model,
        "metadata": {},
    }
