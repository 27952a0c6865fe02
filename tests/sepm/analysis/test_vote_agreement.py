"""Probabilities against votes: by hand, and by scipy and scikit-learn."""

from math import log
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from sklearn.metrics import top_k_accuracy_score

from sepm.analysis.vote_agreement import (
    as_document,
    distances,
    label_rules,
    vote_agreement,
    votes_by_image,
)
from sepm.datasets.question_file import Question
from sepm.documents import Grid
from sepm.errors import InputError
from tests.sepm.joys import JOYS

from .random_rows import random_rows, stored


def row(image: str, label: str, prediction: str | None, **probs: float) -> dict[str, Any]:
    return {
        **{"question_id": image, "image": image, "label": label, "prediction": prediction},
        **{"correct": prediction == label, "status": "ok" if prediction else "unread"},
        "fine": {"probs": probs},
    }


# KL: (3/4) log(0.75 / 0.5) + (1/4) log(0.25 / 0.5) of the first; calm has a vote and was not shown
# to the second, where it has the third largest p: 0, as grief has, which is behind it.
VOTED = [
    (row("joy/1", "joy", "grief", A=0.2, B=0.2), {"joy": 3, "fear": 1, "calm": 0, "grief": 0}),
    (row("fear/2", "calm", "fear", A=0.1, B=0.4), {"joy": 0, "fear": 1, "calm": 2, "grief": 0}),
]


def test_distances_of_two_rows_are_those_counted_by_hand() -> None:
    found = distances(VOTED, JOYS)
    assert found["kl_finite"] == pytest.approx(0.75 * log(1.5) + 0.25 * log(0.5))
    assert (found["kl"], found["kl_infinite"]) == (None, 1)
    assert found["top"] == {1: 0.5, 2: 0.5, 3: 1.0}
    assert found["any_vote"] == 0.5


def test_other_code_finds_the_same_distances() -> None:
    rows = random_rows(90, 3, staged=False)
    votes = np.random.default_rng(0).permuted(np.tile([5.0, 2.0, 1.0, 0.0], (90, 1)), axis=1)
    voted = [(r, dict(zip(JOYS.names, v, strict=True))) for r, v in zip(rows, votes, strict=True)]
    p = np.array([[r["fine"]["probs"][x] for x in "ABCD"] for r in rows])
    p /= p.sum(axis=1, keepdims=True)
    found = distances(voted, JOYS)
    assert found["kl"] == found["kl_finite"] == pytest.approx(entropy(votes, p, axis=1).mean())
    js = [jensenshannon(v, q) ** 2 for v, q in zip(votes, p, strict=True)]
    assert found["js"] == pytest.approx(np.mean(js))
    for k in (1, 2, 3):
        expected = top_k_accuracy_score(votes.argmax(axis=1), p, k=k, labels=range(4))
        assert found["top"][k] == pytest.approx(expected)
    answers = [JOYS.names.index(r["prediction"]) if r["prediction"] else None for r in rows]
    chosen = [a is not None and v[a] > 0 for a, v in zip(answers, votes, strict=True)]
    assert found["any_vote"] == pytest.approx(np.mean(chosen))


TIED = [
    # Right by folder and by the votes; another label by the votes; tied, right by any of them.
    (row("joy/1", "joy", "joy", A=1.0), {"joy": 2, "fear": 1}),
    (row("fear/2", "fear", "grief", A=1.0), {"grief": 2, "fear": 1}),
    (row("calm/3", "calm", "grief", A=1.0), {"calm": 2, "grief": 2}),
    (row("calm/4", "calm", None, A=1.0), {"calm": 1}),
]


def test_accuracy_under_each_label_rule_is_that_counted_by_hand() -> None:
    found = label_rules(TIED, JOYS)
    table = {
        name: (one["n"], one["correct"], one["own"], one["relabelled"])
        for name, one in found.items()
    }
    assert table == {
        "folder": (4, 1, 1 / 4, 0),
        "votes, first of ties": (4, 2, 1 / 4, 1),
        "votes, ties left out": (3, 2, 1 / 3, 1),
        "votes, any of ties": (4, 3, 1 / 4, 2),
    }


def test_there_is_no_folder_rule_where_folders_are_no_classes() -> None:
    flat = [(r | {"image": "a.jpg"}, v) for r, v in TIED]
    assert next(iter(label_rules(flat, JOYS))) == "votes, first of ties"


def test_rows_are_found_by_their_image_whatever_their_question_is_called() -> None:
    rows = [r | {"question_id": f"other/{r['image']}"} for r, _ in VOTED]
    error = {"question_id": "e", "image": "joy/1", "status": "error", "correct": False}
    run = stored([*rows, row("joy/9", "joy", "joy", A=1.0), error])
    questions = [
        Question(f"joy/{r['image']}", r["image"], "joy", votes=tuple(v.items())) for r, v in VOTED
    ]
    found = vote_agreement(run, votes_by_image(questions))
    assert (found["n"], found["without_votes"]) == (2, 1)
    assert found["agreement"] == distances(VOTED, JOYS)
    agreement, labels = (p for p in as_document([found]) if isinstance(p, Grid))
    assert agreement.rows[0][:3] == ["a run", "2", "1"]
    assert [line[1] for line in labels.rows] == list(found["labels"])


def test_an_image_whose_votes_contradict_and_files_without_votes_are_refused() -> None:
    twice = [Question(str(k), "a.jpg", "joy", votes=(("joy", k),)) for k in (1, 2)]
    with pytest.raises(InputError, match=r"'a\.jpg' has votes twice"):
        votes_by_image(twice)
    with pytest.raises(InputError, match="no votes in the question file; `sepm questions abstr"):
        votes_by_image([Question("joy/1", "a.jpg", "joy")])
    with pytest.raises(InputError, match="no image of it has votes"):
        vote_agreement(stored([VOTED[0][0]]), {"b.jpg": {"joy": 1}})
