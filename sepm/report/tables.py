"""The page's tables: numbers beside the paper's, paired tests, and how the runs were made."""

from dataclasses import dataclass

from sepm.analysis import plain_text as text
from sepm.analysis.compare import flat
from sepm.analysis.paired import pair_up, paired_counts, per_class_change
from sepm.analysis.stored_run import StoredRun
from sepm.report.per_class import by_polarity
from sepm.report.runs import RunGroup

MADE_OF = (
    *("preset", "configuration", "limit", "environment"),
    *("visual_tokens", "prompt_format", "sha256"),
)
"""Parts of `accuracy.json` that tell how a run was made."""


@dataclass(frozen=True)
class Table:
    """A table as the page shows it; the first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def results(group: RunGroup) -> Table:
    """A row for each run: its numbers, the paper's, and where they report some those of others."""
    others = [(run.reported_elsewhere, run.summary["n"]) for run in group.runs]
    told = dict.fromkeys(f" Others, {v.source}: {v.note(n)}." for v, n in others if v)
    columns = ("others", "minus others") if told else ()
    header = (
        "run", "n", "accuracy", "95% interval", "paper", "minus paper", *columns, "macro F1",
        "polarity", "coarse", "ambiguous", "unread", "off-menu", "errors", "images/s",
    )  # fmt: skip
    chance = text.percent(1 / len(group.taxonomy.classes))
    ways = [f" {run.name}, {read}." for run in group.runs if (read := text.ways_read(run.summary))]
    notes = dict.fromkeys(run.paper.note for run in group.runs if run.paper and run.paper.note)
    return Table(
        "Results",
        header,
        tuple(_result(run, len(columns)) for run in group.runs),
        f"Percent, computed from the records; chance is {chance}. Polarity: the predicted class "
        "has the label's polarity. Coarse: the coarse answer, gated or not, names it. Unread "
        "answers count as wrong; errors could not be run and are not in n."
        + "".join(f" The paper's: {note}." for note in notes)
        + "".join(told)
        + "".join(ways),
    )


def _result(run: StoredRun, of_others: int) -> tuple[str, ...]:
    """A run's row, with as many cells of what others report."""
    summary, coarse = run.summary, run.summary["coarse"] or {}
    accuracy, reported = summary["accuracy"], run.paper.reported if run.paper else None
    difference = None if accuracy is None or reported is None else accuracy - reported
    others = run.reported_elsewhere
    beside = others.beside(accuracy, summary["n"]) if others else {}
    theirs = (text.percent(beside.get("reported")), text.points(beside.get("difference")))
    speed = (run.facts.get("timing") or {}).get("images_per_second")
    return (
        text.row_label(run.name, run.method, run.configuration),
        str(summary["n"]),
        text.percent(accuracy),
        text.interval(summary["ci95"]),
        text.percent(reported),
        text.points(difference),
        *theirs[:of_others],
        text.percent(summary["macro_f1"]),
        text.percent(summary["polarity_accuracy"]),
        text.percent(coarse.get("accuracy")),
        text.percent(coarse.get("ambiguous_rate")),
        str(summary["unread"]),
        str(summary["off_menu"]),
        str(summary["errors"]),
        f"{speed:.2f}" if speed else "-",
    )


def paired_tests(group: RunGroup) -> Table | None:
    """Each run against the reference, over the samples of both; None where there is one run."""
    if group.compared is None:
        return None
    reference = group.compared[0]
    others = [run for run in group.runs if run is not reference]
    return Table(
        f"Against {reference.name}, sample by sample",
        ("run", "n of both", "gained", "lost", "points", "95% interval", "p (exact McNemar)"),
        tuple(
            (
                other.name,
                str(counts.n),
                str(counts.gained),
                str(counts.lost),
                text.points(counts.difference),
                text.points_interval(counts.interval),
                text.p_value(counts.p_value),
            )
            for other in others
            for counts in [paired_counts(pair_up(reference.records, other.records))]
        ),
    )


def calibration(group: RunGroup) -> Table:
    """Calibration of each run's final answers."""
    return Table(
        "Calibration of the final answer",
        ("run", "n", *text.CALIBRATION),
        tuple(
            (run.name, str(run.summary["n"]), *text.calibration_cells(run.summary["final"]))
            for run in group.runs
        ),
        "Probabilities of the options shown, divided by their sum; 0 for classes not shown. "
        "Brier score over all classes, from 0 to 2; the largest probability against the answer "
        "being right: ECE in ten bins, AUROC, area under the risk-coverage curve.",
    )


def per_class(group: RunGroup) -> Table | None:
    """Accuracy of each class in the two runs that are compared."""
    if group.compared is None:
        return None
    reference, other = group.compared
    pairs = pair_up(reference.records, other.records)
    header = ("class", "polarity", "n", reference.name, other.name, "points", "gained", "lost", "p")
    rows = tuple(
        (name, group.taxonomy.by_name(name).polarity, *text.class_cells(change))
        for name, change in per_class_change(pairs, by_polarity(group.taxonomy)).items()
    )
    return Table("Classes", header, rows)


def shared_settings(group: RunGroup) -> Table:
    """Settings that all runs share."""
    made, differing = _settings(group)
    rows = tuple((key, value) for key, value in made[0].items() if key not in differing)
    return Table("Configuration, environment and hashes of all runs", ("setting", "value"), rows)


def differing_settings(group: RunGroup) -> Table | None:
    """Settings that differ between runs; None where none does."""
    made, keys = _settings(group)
    rows = tuple(
        (run.name, *(one.get(key, "-") for key in keys))
        for run, one in zip(group.runs, made, strict=True)
    )
    return Table("Settings that differ", ("run", *keys), rows) if keys else None


def _settings(group: RunGroup) -> tuple[list[dict[str, str]], list[str]]:
    """Settings of each run as text, and the names of those that are not the same in all."""
    facts = [flat({part: run.facts.get(part) for part in MADE_OF}) for run in group.runs]
    made = [{key: "-" if one is None else str(one) for key, one in parts} for parts in facts]
    names = dict.fromkeys(key for one in made for key in one)
    return made, [name for name in names if len({one.get(name) for one in made}) > 1]
