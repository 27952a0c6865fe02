"""Scores of confidence beside each other: which of them is lower where an answer is wrong?

A score is good where right answers have more of it than wrong ones (AUROC). Eq. (4)'s variance, by
which the paper's gate decides, is compared with what else the same two probabilities tell, and with
what the fine answer's tell.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.accuracy import answered
from sepm.analysis.bootstrap import interval, resampled_aurocs
from sepm.analysis.calibration import VARIANCE, auroc
from sepm.analysis.metrics import coarse_is_correct
from sepm.analysis.probabilities import entropy, final_probabilities, margin, normalised
from sepm.analysis.stored_run import StoredRun
from sepm.documents import Document, Grid
from sepm.method.confidence import confidence
from sepm.method.taxonomy import Taxonomy
from sepm.records.writing import Record

EQUATION_4 = "coarse: variance (Eq. 4)"


def coarse_scores(rows: Sequence[Record]) -> dict[str, list[float]]:
    """Scores of the coarse answers: of p_A and p_B as they are, and divided by their sum."""
    stated = [(row["coarse"]["p_a"], row["coarse"]["p_b"]) for row in rows]
    shares = list(map(normalised, stated))
    return {
        EQUATION_4: [confidence(p_a, p_b, VARIANCE) for p_a, p_b in stated],
        "coarse: larger p": list(map(max, shares)),
        "coarse: margin": list(map(margin, shares)),
        "coarse: entropy": [-entropy(p) for p in shares],
    }


def fine_scores(rows: Sequence[Record], taxonomy: Taxonomy) -> dict[str, list[float]]:
    """Scores of the fine answers, of the options shown: their probabilities divided by their sum.

    Entropy is negative, in nats: as of every other score, larger is surer.
    """
    shares = [normalised(list(row["fine"]["probs"].values())) for row in rows]
    return {
        "fine: largest p": list(map(max, shares)),
        "fine: margin": list(map(margin, shares)),
        "fine: entropy": [-entropy(p) for p in shares],
        "fine: p of the answer": [_answer_share(row, taxonomy) for row in rows],
    }


def _answer_share(record: Record, taxonomy: Taxonomy) -> float:
    """Probability of the class that is answered; 0 where it was not shown, and of unread ones."""
    if record["prediction"] is None:
        return 0.0
    place = taxonomy.names.index(record["prediction"])
    return final_probabilities(record, taxonomy)[place]


def confidence_scores(run: StoredRun) -> dict[str, Any]:
    """AUROC of every score of a run for each of its answers being right, ready for JSON.

    Returns:
        `run`, its folder; `n`; `accuracy` and `final`, as `accuracy.json` has them; `of_final`,
        for each score its AUROC with 95% bootstrap interval for the final answer being right, and
        the paired difference to Eq. (4)'s; `of_coarse`, the coarse scores' for the coarse answer
        being right. Without a coarse stage there are the fine scores alone and no difference.
    """
    rows, taxonomy = answered(run.records), run.taxonomy
    staged = bool(rows) and all("coarse" in r for r in rows)
    coarse = coarse_scores(rows) if staged else {}
    both = coarse | fine_scores(rows, taxonomy)
    of_coarse = [coarse_is_correct(r, taxonomy) for r in rows] if staged else []
    return {
        "run": str(run.folder),
        "name": run.name,
        **{name: run.summary[name] for name in ("n", "accuracy", "final")},
        "of_final": compared_scores(both, [bool(r["correct"]) for r in rows]),
        "of_coarse": compared_scores(coarse, of_coarse),
    }


def compared_scores(
    scores: Mapping[str, Sequence[float]], right: Sequence[bool]
) -> dict[str, dict[str, Any]]:
    """AUROC of each score with 95% interval, and its difference to Eq. (4)'s in the same rows."""
    whole = {name: auroc(values, right) for name, values in scores.items()}
    drawn = resampled_aurocs(scores, right)
    reference = whole.get(EQUATION_4)
    compared: dict[str, dict[str, Any]] = {}
    for name, value in whole.items():
        compared[name] = {"auroc": value, "ci95": interval(drawn[name])}
        if name != EQUATION_4 and value is not None and reference is not None:
            compared[name]["versus_eq4"] = {
                "difference": value - reference,
                "ci95": interval(drawn[name] - drawn[EQUATION_4]),
            }
    return compared


def as_document(found: Sequence[dict[str, Any]]) -> Document:
    """Calibration of several runs, and then each run's scores."""
    parts: list[str | Grid] = ["# Calibration of the final answer", "", calibration_grid(found)]
    for answer, part in (("final", "of_final"), ("coarse", "of_coarse")):
        rows = [
            {"run": run["name"], "score": name, **_cells(score)}
            for run in found
            for name, score in run[part].items()
        ]
        if rows:
            heading = f"# Scores, for the {answer} answer being right"
            parts += ["", heading, "", text.grid(rows, words=2)]
    return [*parts, "", *NOTES]


NOTES = (
    "Of two probabilities that sum to 1, larger p, margin and entropy are one ranking. Eq. 4 takes",
    "p_A and p_B as they are: it ranks by |p_A - p_B|, which other tokens' probability shrinks.",
    "Intervals: percentile bootstrap of the rows.",
)


def calibration_grid(found: Sequence[dict[str, Any]]) -> Grid:
    """Numbers of `final` of several results, each with a `name`."""
    rows = [
        {
            "run": run["name"],
            "n": str(run["n"]),
            "accuracy": text.percent(run["accuracy"]),
            **text.calibration_cells(run["final"]),
        }
        for run in found
    ]
    return text.grid(rows)


def _cells(score: Mapping[str, Any]) -> text.Cells:
    versus, signed = score.get("versus_eq4", {}), partial(text.decimals, form="+.4f")
    return {
        "AUROC": text.decimals(score["auroc"]),
        "95% interval": text.interval(score["ci95"], text.decimals),
        "minus Eq. 4's": signed(versus.get("difference")),
        "interval of that": text.interval(versus.get("ci95"), signed),
    }
