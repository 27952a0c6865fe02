"""Prediction records: one JSON line a sample, appended as it is computed."""

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Any, Self

from sepm.datasets.question_file import Question
from sepm.errors import RunError
from sepm.method.dialogue import CoarseResult, Outcome
from sepm.method.taxonomy import Taxonomy

SYNC_SECONDS = 1.0
"""How often rows are made sure to be on the disk."""

Record = dict[str, Any]
"""One line of `predictions.jsonl`, with the fields of `sepm.records.fields`."""


@dataclass(frozen=True)
class VisualTokens:
    """Number and places of an image's visual tokens, where images differ in them."""

    number: int
    tiles: Sequence[Sequence[float]] | None
    """As in `sepm.models.protocol`; None: not known."""

    @property
    def fields(self) -> Record:
        """The fields of a record that tell them."""
        places = {} if self.tiles is None else {"tiles": [list(tile) for tile in self.tiles]}
        return {"num_visual_tokens": self.number, **places}


def record_of(
    question: Question,
    outcome: Outcome,
    taxonomy: Taxonomy,
    image_sha256: str,
    *,
    save_scores: bool = False,
    visual_tokens: VisualTokens | None = None,
) -> Record:
    """The record of a sample that was run, its image known by the hash of its file.

    Args:
        visual_tokens: of the image; None: the run's `visual_tokens` tells them.

    Raises:
        RunError: the model's probabilities are not numbers.
    """
    require_numbers(question.question_id, outcome)
    fields = decision_fields(outcome, taxonomy, save_scores=save_scores)
    prediction = fields.pop("prediction")
    correct = prediction in question.labels
    return {
        **_head(question),
        "image_sha256": image_sha256,
        **(visual_tokens.fields if visual_tokens else {}),
        "prediction": prediction,
        "correct": correct,
        **fields,
    }


def decision_fields(outcome: Outcome, taxonomy: Taxonomy, *, save_scores: bool) -> Record:
    """The fields of a record that tell the decision, label or not."""
    emotion = outcome.emotion(taxonomy)
    record: Record = {"prediction": emotion, "status": "ok" if emotion else "unread"}
    if outcome.coarse is not None:
        record["coarse"] = _coarse(outcome.coarse)
    record["dropped"] = list(outcome.dropped)
    if outcome.reply.visual_token_counts is not None:
        record["sparsevlm"] = token_usage(outcome.reply.visual_token_counts)
    record["fine"] = {
        "prompt": outcome.query.text,
        "text": outcome.reply.text,
        "read": outcome.reply.read,
        "probs": outcome.reply.probs,
    }
    if outcome.renumbered is not None:
        record["fine"]["classes"] = [c.name for c in outcome.renumbered]
    if outcome.rotations:
        record["rotations"] = [
            {"text": reply.text, "read": reply.read, "probs": reply.probs}
            for reply in outcome.rotations
        ]
    if save_scores and outcome.coarse is not None and outcome.coarse.reply.scores is not None:
        record["foe_scores"] = list(outcome.coarse.reply.scores)
    return record


def token_usage(visual_token_counts: Sequence[int]) -> Record:
    """Numbers of visual tokens in SparseVLM's layers, merged ones included.

    `mean_tokens` is the mean over layers of the count after each, which its authors report and name
    the budget after; `mean_tokens_processed` of the count that each layer ran on, which is what it
    costs.

    Args:
        visual_token_counts: before the first decoder layer and after each.
    """
    return {
        "tokens_after_layer": list(visual_token_counts[1:]),
        "mean_tokens": fmean(visual_token_counts[1:]),
        "mean_tokens_processed": fmean(visual_token_counts[:-1]),
    }


def error_record(question: Question, reason: str) -> Record:
    """The record of a sample that could not be run."""
    head = _head(question)
    return {**head, "prediction": None, "correct": False, "status": "error", "error": reason}


def require_numbers(name: str, outcome: Outcome) -> None:
    """See that a sample's probabilities and scores are numbers.

    Raises:
        RunError: they are not; the message names the sample.
    """
    coarse = [outcome.coarse.reply] if outcome.coarse else []
    replies = [outcome.reply, *outcome.rotations, *coarse]
    values = (value for r in replies for value in (*r.probs.values(), *(r.scores or ())))
    if not all(map(math.isfinite, values)):
        raise RunError(
            f"{name}: the model's probabilities are not numbers; half precision "
            "overflows where the checkpoint was not made for it: try --dtype bfloat16 or float32"
        )


def _head(question: Question) -> Record:
    head = {"question_id": question.question_id, "image": question.image, "label": question.label}
    return {**head, "labels": list(question.labels)} if question.other_labels else head


def _coarse(coarse: CoarseResult) -> Record:
    return {
        "prompt": coarse.query.text,
        "text": coarse.reply.text,
        "read": coarse.reply.read,
        "p_a": coarse.reply.probs["A"],
        "p_b": coarse.reply.probs["B"],
        "confidence": coarse.confidence,
        "branch": coarse.branch,
        "off_menu": coarse.off_menu,
    }


def as_line(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


class RecordFile:
    """A file of records that grows by whole lines.

    A killed process loses no row: each is handed to the system as it is made. A power cut loses at
    most those of the last second, or of the last batch where that takes longer.

    Args:
        path: is made where it is absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self._file = self.path.open("a", encoding="utf-8", newline="\n")
        self._synced = time.monotonic()
        return self

    def append(self, record: Record) -> None:
        """Write a record.

        Raises:
            RunError: it cannot be written.
        """
        with self._failures():
            self._file.write(as_line(record))
            self._file.flush()
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                self._sync()

    def _sync(self) -> None:
        """See what was written onto the disk."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written: {error.strerror}. The rows before are kept: make "
                "room, and the same command goes on from there"
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                with self._failures():
                    self._sync()
        finally:
            with suppress(OSError):  # tries once more what a full disk refused, which has been said
                self._file.close()
