"""Option probabilities against annotators' votes, and what each label rule does to an accuracy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from scipy.special import rel_entr

from sepm.analysis import plain_text as text
from sepm.analysis.accuracy import accuracy_of, answered, ratio
from sepm.analysis.probabilities import final_probabilities, normalised
from sepm.analysis.stored_run import StoredRun
from sepm.datasets.question_file import Question
from sepm.datasets.votes import top_classes
from sepm.documents import Document
from sepm.errors import InputError
from sepm.method.taxonomy import Taxonomy
from sepm.records.labels import labels_of
from sepm.records.writing import Record

Votes = Mapping[str, float]
"""Votes for each class name, in the order of the data set's table."""
Voted = tuple[Record, Votes]

TOP = (1, 2, 3)


def votes_by_image(questions: Iterable[Question]) -> dict[str, Votes]:
    """The votes of each image of a question file that has any.

    Raises:
        InputError: no image has any, or one has two different ones.
    """
    found: dict[str, Votes] = {}
    for question in questions:
        image, votes = question.image, dict(question.votes)
        if votes and found.setdefault(image, votes) != votes:
            raise InputError(f"image '{image}' has votes twice, and others each time")
    if not found:
        raise InputError(
            "no votes in the question file; `sepm questions abstract` and `sepm questions emotion6 "
            "--label votes` write them"
        )
    return found


def vote_agreement(run: StoredRun, votes: Mapping[str, Votes]) -> dict[str, Any]:
    """A run beside the votes for its images, ready for JSON.

    Returns:
        `run`, its folder; `n`, its rows whose image has votes, rows with errors left out;
        `without_votes`, the other ones; `agreement`, as `distances`; `labels`, as `label_rules`.

    Raises:
        InputError: no image of the run has votes.
    """
    rows = answered(run.records)
    voted = [(r, votes[r["image"]]) for r in rows if r["image"] in votes]
    if not voted:
        raise InputError(f"{run.folder}: no image of it has votes in the question file")
    return {
        "run": str(run.folder),
        "name": run.name,
        "n": len(voted),
        "without_votes": len(rows) - len(voted),
        "agreement": distances(voted, run.taxonomy),
        "labels": label_rules(voted, run.taxonomy),
    }


def distances(voted: Sequence[Voted], taxonomy: Taxonomy) -> dict[str, Any]:
    """Distances of the final probabilities p from the votes' shares v, and agreement of answers.

    Returns:
        `kl`, the mean of KL(v ‖ p) = sum of v log(v / p) in nats, None where it is infinite;
        `kl_infinite`, the number of rows that make it so: a class with votes has p = 0, as one that
        was not shown; `kl_finite`, the mean of the other rows; `js`, the mean Jensen-Shannon
        divergence in nats, from 0 to log 2, which is always finite; `top`, for each k the share of
        rows where a class with the most votes is among the k largest p, those of equal p in the
        order of the options; `any_vote`, the share of rows whose answer an annotator chose.
    """
    shares = np.array([normalised([v.get(c, 0) for c in taxonomy.names]) for _, v in voted])
    stated = np.array([final_probabilities(r, taxonomy) for r, _ in voted])  # [n, K]
    kl = rel_entr(shares, stated).sum(axis=1)
    finite = kl[np.isfinite(kl)]
    middle = (shares + stated) / 2
    js = (rel_entr(shares, middle) + rel_entr(stated, middle)).sum(axis=1) / 2
    ranked = [np.array(taxonomy.names)[row] for row in np.argsort(-stated, axis=1, kind="stable")]
    tops = [set(top_classes(v)) for _, v in voted]
    return {
        "kl": float(kl.mean()) if len(finite) == len(kl) else None,
        "kl_infinite": len(kl) - len(finite),
        "kl_finite": float(finite.mean()) if len(finite) else None,
        "js": float(js.mean()),
        "top": {
            k: fmean(bool(top & {*names[:k]}) for top, names in zip(tops, ranked, strict=True))
            for k in TOP
        },
        "any_vote": fmean(v.get(r["prediction"], 0) > 0 for r, v in voted),
    }


LabelRule = Callable[[Record, Votes], tuple[str, ...]]

RULES: dict[str, LabelRule] = {
    "folder": lambda record, votes: (record["image"].partition("/")[0],),
    "votes, first of ties": lambda record, votes: top_classes(votes)[:1],
    "votes, ties left out": lambda record, votes: () if _is_tied(votes) else top_classes(votes),
    "votes, any of ties": lambda record, votes: top_classes(votes),
}
"""Class names that count as correct, by rule; none: the image is left out."""


def _is_tied(votes: Votes) -> bool:
    return len(top_classes(votes)) > 1


def label_rules(voted: Sequence[Voted], taxonomy: Taxonomy) -> dict[str, dict[str, Any]]:
    """Accuracy of the same answers under each label rule.

    Returns:
        For each rule accuracy and interval over the images that it keeps; `own`, the accuracy that
        these images have by the run's own labels; `relabelled`: how many got another label. The
        rule "folder" is there where each image lies in a folder that is called as a class.
    """
    by_folder = all(RULES["folder"](r, v)[0] in taxonomy.names for r, v in voted)
    found: dict[str, dict[str, Any]] = {}
    for name, rule in RULES.items():
        if name == "folder" and not by_folder:
            continue
        labelled = [(r, labels) for r, v in voted if (labels := rule(r, v))]
        scored = [{**r, "correct": r["prediction"] in labels} for r, labels in labelled]
        own = [r for r, _ in labelled]
        found[name] = {
            **accuracy_of(scored).as_json(),
            "own": ratio(sum(r["correct"] for r in own), len(own)),
            "relabelled": sum({*labels} != {*labels_of(r)} for r, labels in labelled),
        }
    return found


def as_document(found: Sequence[dict[str, Any]]) -> Document:
    """Agreement of some runs with the votes, and their accuracies under each label rule."""
    labels = [
        {"run": run["name"], "rule": rule, **_label_cells(row)}
        for run in found
        for rule, row in run["labels"].items()
    ]
    return [
        "# Final probabilities against the votes",
        "",
        text.grid([_agreement_cells(run) for run in found]),
        "",
        "KL(votes ‖ p) and Jensen-Shannon (JS) in nats, the rest in percent. A class with votes",
        "that was not shown makes KL infinite; the others' KL compares no two runs. JS does.",
        "",
        "# The same answers under each label rule",
        "",
        text.grid(labels, words=2),
        "",
        "own labels: the same images by the labels that the run has.",
    ]


def _agreement_cells(run: Mapping[str, Any]) -> text.Cells:
    found = run["agreement"]
    return {
        "run": run["name"],
        "n": str(run["n"]),
        "no votes": str(run["without_votes"]),
        "KL": "infinite" if found["kl_infinite"] else text.decimals(found["kl"]),
        "infinite rows": str(found["kl_infinite"]),
        "KL of the others": text.decimals(found["kl_finite"]),
        "JS": text.decimals(found["js"]),
        **{f"top {k}": text.percent(share) for k, share in found["top"].items()},
        "any vote": text.percent(found["any_vote"]),
    }


def _label_cells(row: Mapping[str, Any]) -> text.Cells:
    return {
        "n": str(row["n"]),
        **text.accuracy_cells(row),
        "own labels": text.percent(row["own"]),
        "relabelled": str(row["relabelled"]),
    }
