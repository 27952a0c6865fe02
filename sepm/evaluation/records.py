"""Prediction records: one JSON line a sample, appended as it is computed, read back by anyone."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from sepm.datasets.files import write_whole
from sepm.datasets.question_file import Question
from sepm.method.dialogue import CoarseResult, Outcome
from sepm.method.taxonomy import Taxonomy

Record = dict[str, Any]
"""One line of `predictions.jsonl`; the README has the table of its fields."""

RETRIED = ("error",)
"""Statuses that the next run tries again."""


def record_of(
    question: Question, outcome: Outcome, taxonomy: Taxonomy, *, save_scores: bool = False
) -> Record:
    """The record of a sample that was run."""
    fields = decision_fields(outcome, taxonomy, save_scores=save_scores)
    prediction = fields.pop("prediction")
    correct = prediction in question.labels
    return {**_head(question), "prediction": prediction, "correct": correct, **fields}


def decision_fields(outcome: Outcome, taxonomy: Taxonomy, *, save_scores: bool) -> Record:
    """The fields of a record that tell the decision, label or not."""
    letter = outcome.reply.letter
    record: Record = {
        "prediction": taxonomy.by_letter(letter).name if letter else None,
        "status": "ok" if letter else "unread",
    }
    if outcome.coarse is not None:
        record["coarse"] = _coarse(outcome.coarse)
    record["dropped"] = list(outcome.dropped)
    record["fine"] = {
        "prompt": outcome.query.text,
        "text": outcome.reply.text,
        "probs": outcome.reply.probs,
    }
    if save_scores and outcome.coarse is not None and outcome.coarse.reply.scores is not None:
        record["foe_scores"] = list(outcome.coarse.reply.scores)
    return record


def error_record(question: Question, reason: str) -> Record:
    """The record of a sample that could not be run."""
    head = _head(question)
    return {**head, "prediction": None, "correct": False, "status": "error", "error": reason}


def _head(question: Question) -> Record:
    head = {"question_id": question.question_id, "image": question.image, "label": question.label}
    return {**head, "labels": list(question.labels)} if question.other_labels else head


def _coarse(coarse: CoarseResult) -> Record:
    return {
        "prompt": coarse.query.text,
        "text": coarse.reply.text,
        "p_a": coarse.reply.probs["A"],
        "p_b": coarse.reply.probs["B"],
        "confidence": coarse.confidence,
        "branch": coarse.branch,
        "off_menu": coarse.off_menu,
    }


def read_records(path: Path) -> list[Record]:
    """The records of a file, in its order; a torn last line (power cut, full disk) is left out.

    Raises:
        ValueError: a line that is not the last is no record.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    complete, rest = lines[:-1], lines[-1]
    del rest  # what follows the last line feed was never finished
    records = []
    for number, line in enumerate(complete, start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not a prediction record ({error})") from error
    return records


def keep_finished(path: Path) -> dict[str, Record]:
    """The records to go on from, by question id; the file is rewritten to hold just them.

    A torn last line and rows with errors are dropped, to be computed again.
    """
    if not path.exists():
        return {}
    records = [r for r in read_records(path) if r["status"] not in RETRIED]
    write_whole(path, "".join(map(as_line, records)))
    return {record["question_id"]: record for record in records}


def append_records(file: TextIO, records: Iterable[Record]) -> None:
    """Write records and see them onto the disk."""
    for record in records:
        file.write(as_line(record))
    file.flush()
    os.fsync(file.fileno())


def as_line(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False) + "\n"
