"""Numbers about a run, from its prediction records alone."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

from sklearn.metrics import f1_score

from sepm.analysis.accuracy import accuracy_of, answered, ratio
from sepm.analysis.calibration import confidence_report, final_report
from sepm.analysis.probabilities import final_probabilities
from sepm.analysis.rotations import rotation_summary
from sepm.method.answers import COARSE_KEY
from sepm.method.confidence import choose_branch
from sepm.method.taxonomy import Polarity, Taxonomy, no_class
from sepm.records.labels import classes_by_letter, labels_of
from sepm.records.writing import Record

UNREAD = "unread"
"""Column of the confusion matrix for answers that name no class."""


def summarize(records: Sequence[Record], taxonomy: Taxonomy) -> dict[str, Any]:
    """All that `accuracy.json` says of the predictions.

    Rows that could not be run (`error`) are counted and otherwise left out; answers that could not
    be read (`unread`) count as wrong.
    """
    run = answered(records)
    accuracy = accuracy_of(records)
    return {
        **accuracy.as_json(),
        "chance": 1 / len(taxonomy.classes),
        "per_class": per_class(run, taxonomy),
        "confusion": confusion(run, taxonomy),
        "macro_f1": macro_f1(run, taxonomy),
        "polarity_accuracy": polarity_accuracy(run, taxonomy),
        "coarse": coarse_summary(run, taxonomy),
        "final": final_summary(run, taxonomy),
        "sparsevlm": sparsevlm_summary(run),
        "unread": accuracy.unread,
        "answers": ways_read(run, "fine"),
        "off_menu": sum(is_off_menu(r, taxonomy) for r in run),
        "errors": accuracy.errors,
        **({"rotations": rotated} if (rotated := rotation_summary(run, taxonomy)) else {}),
    }


def ways_read(run: Sequence[Record], stage: Literal["coarse", "fine"]) -> dict[str, int]:
    """The number of a stage's answers that were bare letters, read from text, and unread.

    And of those that the mean over the orders of the options decided, where there are such.
    """
    counts = Counter(r[stage].get("read") or UNREAD for r in run)
    ways = ("letter", "text", *(["mean"] if counts["mean"] else []), UNREAD)
    return {way: counts[way] for way in ways}


def credited_label(record: Record) -> str:
    """The label that a row counts under: of several tied ones the predicted, else the first."""
    labels = labels_of(record)
    return record["prediction"] if record["prediction"] in labels else labels[0]


def label_polarities(record: Record, taxonomy: Taxonomy) -> set[Polarity]:
    """The polarities of a row's labels: one, or two where tied classes differ."""
    return {taxonomy.by_name(label).polarity for label in labels_of(record)}


def per_class(run: Sequence[Record], taxonomy: Taxonomy) -> dict[str, dict[str, Any]]:
    """n, correct and accuracy (recall) of each class."""
    table = {}
    for name in taxonomy.names:
        rows = [r for r in run if credited_label(r) == name]
        correct = sum(r["correct"] for r in rows)
        table[name] = {"n": len(rows), "correct": correct, "accuracy": ratio(correct, len(rows))}
    return table


def confusion(run: Sequence[Record], taxonomy: Taxonomy) -> dict[str, Any]:
    """Counts of predictions (columns, the last unread) for each label (rows)."""
    unread = no_class(UNREAD, taxonomy.names)
    counts = Counter((credited_label(r), r["prediction"] or unread) for r in run)
    columns = [*taxonomy.names, unread]
    matrix = [[counts[label, column] for column in columns] for label in taxonomy.names]
    return {"labels": list(taxonomy.names), "predictions": columns, "counts": matrix}


def macro_f1(run: Sequence[Record], taxonomy: Taxonomy) -> float | None:
    """Mean F1 over the classes that occur as a label."""
    truth = [credited_label(r) for r in run]
    predicted = [r["prediction"] or no_class(UNREAD, taxonomy.names) for r in run]
    present = sorted(set(truth))
    if not present:
        return None
    return float(f1_score(truth, predicted, labels=present, average="macro", zero_division=0))  # pyright: ignore[reportArgumentType] - documented


def polarity_accuracy(run: Sequence[Record], taxonomy: Taxonomy) -> float | None:
    """Share of rows whose predicted class has the label's polarity."""
    polarity = {c.name: c.polarity for c in taxonomy.classes}
    right = sum(polarity.get(r["prediction"]) in label_polarities(r, taxonomy) for r in run)
    return ratio(right, len(run))


def final_summary(run: Sequence[Record], taxonomy: Taxonomy) -> dict[str, float | None]:
    """Calibration of the final answers, a row's label being the one that it counts under."""
    return final_report(
        [final_probabilities(r, taxonomy) for r in run],
        [taxonomy.names.index(credited_label(r)) for r in run],
        [bool(r["correct"]) for r in run],
    )


def coarse_summary(run: Sequence[Record], taxonomy: Taxonomy) -> dict[str, Any] | None:
    """Accuracy of the coarse stage, its gate, and the errors that it causes; None without CCI."""
    staged = [r for r in run if "coarse" in r]
    if not staged:
        return None
    ambiguous = sum(r["coarse"]["branch"] == "ambiguous" for r in staged)
    right = [coarse_is_correct(r, taxonomy) for r in staged]
    inherited = sum(is_inherited_error(r, taxonomy) for r in staged)
    return {
        "accuracy": ratio(sum(right), len(staged)),
        "ambiguous_rate": ratio(ambiguous, len(staged)),
        "off_menu": sum(r["coarse"]["off_menu"] for r in staged),
        "answers": ways_read(staged, "coarse"),
        "inherited_errors": inherited,
        "inherited_share": ratio(inherited, sum(not r["correct"] for r in staged)),
        "confidence": confidence_report(staged, right),
    }


def coarse_is_correct(record: Record, taxonomy: Taxonomy) -> bool:
    """Whether the coarse answer, gated or not, names the label's polarity.

    Where it names none, the larger of p_A and p_B stands for it, as in the method.
    """
    coarse = record["coarse"]
    letter = COARSE_KEY.read(coarse["text"])
    polarity = choose_branch(letter, coarse["p_a"], coarse["p_b"], ambiguous=False)
    return polarity in label_polarities(record, taxonomy)


def is_inherited_error(record: Record, taxonomy: Taxonomy) -> bool:
    """Whether a row is wrong because the coarse stage, trusted, chose the wrong polarity.

    The fine query then offered no right class. An ambiguous row's errors are its own.
    """
    branch = record["coarse"]["branch"]
    wrong_branch = branch != "ambiguous" and branch not in label_polarities(record, taxonomy)
    return not record["correct"] and wrong_branch


def sparsevlm_summary(run: Sequence[Record]) -> dict[str, float] | None:
    """Mean over rows of each of their mean token counts; None: not SparseVLM."""
    sparse = [r["sparsevlm"] for r in run if "sparsevlm" in r]
    if not sparse:
        return None
    names = ("mean_tokens", "mean_tokens_processed")
    return {name: fmean(usage[name] for usage in sparse) for name in names}


def is_off_menu(record: Record, taxonomy: Taxonomy) -> bool:
    """Whether the fine answer is a class that its query did not offer."""
    if record["prediction"] is None:
        return False
    shown = record["fine"]["probs"]
    classes = classes_by_letter(record, taxonomy).values()
    return record["prediction"] not in {c.name for c in classes if c.option_letter in shown}
