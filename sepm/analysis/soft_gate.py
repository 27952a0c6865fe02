"""A soft gate as a re-score of two stored runs: the coarse answer weighs, and shuts nothing out.

CCI's gate is hard: a trusted coarse answer leaves the classes of its polarity alone. Here each
class i keeps its probability s_i from a run that showed all options, times the coarse probability
of its polarity: s'_i is proportional to p_polarity(i) × s_i.
"""

from collections.abc import Sequence
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.accuracy import accuracy_of
from sepm.analysis.metrics import final_summary
from sepm.analysis.paired import Pair, pair_up, paired_counts
from sepm.analysis.probabilities import normalised
from sepm.analysis.stored_run import StoredRun
from sepm.documents import Document
from sepm.errors import InputError
from sepm.method.taxonomy import Taxonomy
from sepm.records.labels import labels_of
from sepm.records.writing import Record

HARD, FULL, LARGEST, SOFT = "hard gate", "all options", "all options, largest s", "soft gate"
"""The rows: the coarse run and the full one as they answered; the full one's and the soft gate's
largest probability."""


def soft_gated(coarse: Record, full: Record, taxonomy: Taxonomy) -> Record:
    """The full run's record, its probabilities weighed by the coarse ones, and its answer theirs.

    The answer is the class of the largest s', the first of equal ones in the order of the options;
    the text of an answer has no part in it. p_A and p_B are taken as they are, since their sum
    cancels out. Where every product is 0 all s' are equal.
    """
    weight = {"positive": coarse["coarse"]["p_a"], "negative": coarse["coarse"]["p_b"]}
    stated = full["fine"]["probs"]
    products = [weight[c.polarity] * stated[c.option_letter] for c in taxonomy.classes]
    return _answered(full, normalised(products), taxonomy)


def largest_answered(full: Record, taxonomy: Taxonomy) -> Record:
    """The record, its answer that of the largest probability: the soft gate without its weights."""
    stated = full["fine"]["probs"]
    return _answered(full, normalised([stated[x] for x in taxonomy.option_letters]), taxonomy)


def _answered(full: Record, shares: Sequence[float], taxonomy: Taxonomy) -> Record:
    """The record with these probabilities of all classes, and the answer that they give."""
    prediction = taxonomy.names[shares.index(max(shares))]
    return {
        **full,
        "prediction": prediction,
        "correct": prediction in labels_of(full),
        "status": "ok",
        "fine": {"probs": dict(zip(taxonomy.option_letters, shares, strict=True))},
    }


def soft_gate(coarse: StoredRun, full: StoredRun) -> dict[str, Any]:
    """The soft gate beside the hard one, over the images that both runs ran, ready for JSON.

    Args:
        coarse: a run with a coarse stage, whose gate is hard.
        full: a run that showed all options to every image.

    Returns:
        `runs`, the two folders; `rows`, for each of the four ways to answer its accuracy and
        `final`, as `accuracy.json`'s; `versus`, for each of the others the soft gate against it,
        paired; `same_query`: of the coarse run's `ambiguous` rows, which show all options too, how
        many had the full run's very query and whole image.

    Raises:
        InputError: a run is of the wrong kind, or they are about other images or labels.
    """
    pairs = _checked_pairs(coarse, full)
    taxonomy = full.taxonomy
    answered = {
        HARD: [a for a, _ in pairs],
        FULL: [b for _, b in pairs],
        LARGEST: [largest_answered(b, taxonomy) for _, b in pairs],
        SOFT: [soft_gated(a, b, taxonomy) for a, b in pairs],
    }
    ambiguous = [pair for pair in pairs if pair[0]["coarse"]["branch"] == "ambiguous"]
    return {
        "runs": {"coarse": str(coarse.folder), "full": str(full.folder)},
        "rows": {
            name: {**accuracy_of(rows).as_json(), "final": final_summary(rows, taxonomy)}
            for name, rows in answered.items()
        },
        "versus": {
            name: paired_counts(zip(rows, answered[SOFT], strict=True)).as_json()
            for name, rows in answered.items()
            if name != SOFT
        },
        "ambiguous": len(ambiguous),
        "same_query": sum(_asks_the_same(*pair) for pair in ambiguous),
    }


def _asks_the_same(coarse: Record, full: Record) -> bool:
    queries = [(record["fine"]["prompt"], record["dropped"]) for record in (coarse, full)]
    return queries[0] == queries[1]


def _checked_pairs(coarse: StoredRun, full: StoredRun) -> list[Pair]:
    """The images of both; InputError unless the runs are what a soft gate needs."""
    if coarse.taxonomy.classes != full.taxonomy.classes:
        raise InputError(f"{coarse.folder} and {full.folder} have different classes")
    pairs = pair_up(coarse.records, full.records)
    if not pairs:
        raise InputError(f"{coarse.folder} and {full.folder} have no question in common")
    for a, b in pairs:
        key = a["question_id"]
        if "coarse" not in a:
            raise InputError(f"{coarse.folder} has no coarse stage; give a run of cci or sepm")
        if len(b["fine"]["probs"]) < len(full.taxonomy.classes):
            raise InputError(
                f"{full.folder}: question_id '{key}' was not shown all options; give a run of "
                "zero-shot or fp"
            )
        for name in ("label", "labels", "image_sha256"):
            if a.get(name) != b.get(name):
                raise InputError(
                    f"question_id '{key}': {name} is {a.get(name)!r} in {coarse.folder} and "
                    f"{b.get(name)!r} in {full.folder}"
                )
    return pairs


def as_document(found: dict[str, Any]) -> Document:
    """Accuracy of the four ways to answer, and the soft gate against the other three."""
    n = found["rows"][SOFT]["n"]
    rows = [
        {"answer": name, **text.accuracy_cells(row), **text.calibration_cells(row["final"])}
        for name, row in found["rows"].items()
    ]
    headings = ("points", "95% interval", "gained / lost", "p (McNemar)")
    versus = [
        {"against": name, **text.paired_cells(counts, *headings)}
        for name, counts in found["versus"].items()
    ]
    return [
        f"{HARD}: {found['runs']['coarse']}",
        f"{FULL}: {found['runs']['full']}",
        f"{SOFT}: s' of a class is its s with all options, times the coarse p of its polarity",
        "",
        f"n = {n}, accuracy in percent",
        text.grid(rows),
        "",
        f"{SOFT} minus the others, on the same images",
        text.grid(versus),
        "",
        f"Of {found['ambiguous']} ambiguous images, which the hard gate shows all options too, "
        f"{found['same_query']} had the very same query and tokens in both runs.",
    ]
