"""The head of a group's part of the page: what came out, and what was compared."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sepm.analysis import plain_text as text
from sepm.analysis.paired import SIGNIFICANCE, pair_up, paired_counts
from sepm.analysis.stored_run import StoredRun
from sepm.registry import METHODS
from sepm.report.runs import RunGroup

SHOWN_LETTERS = 16
"""Letters of a hash or another long name; the rest is cut out of its middle."""


class Verdict(NamedTuple):
    """What came out, in a line and in numbers."""

    headline: str
    numbers: str


class Fact(NamedTuple):
    """Something that the runs were made with."""

    name: str
    value: str
    whole: str = ""
    """The value before it was cut, or what it means."""


def verdicts(group: RunGroup) -> list[Verdict]:
    """Each run against the reference, or the one run alone; the pair of the figures first."""
    if group.compared is None:
        return [_alone(run) for run in group.answered]
    reference, main = group.compared
    others = [run for run in group.answered if run not in (reference, main)]
    return [_against(reference, run) for run in (main, *others)]


def _alone(run: StoredRun) -> Verdict:
    summary = run.summary
    return Verdict(
        f"{run.name} answers {text.percent(summary['accuracy'])}% right",
        f"{summary['correct']} of {summary['n']} images; 95% interval "
        f"{text.interval(summary['ci95'])}; chance {text.percent(1 / len(run.taxonomy.classes))}.",
    )


def _against(reference: StoredRun, other: StoredRun) -> Verdict:
    """Which of two runs is ahead, by how much, and whether it can be told from chance."""
    counts = paired_counts(pair_up(reference.records, other.records))
    if counts.difference is None:
        return Verdict(f"{other.name} and {reference.name} have no image in common", "")
    if counts.gained == counts.lost:
        headline = f"{other.name} and {reference.name} are level"
    else:
        ahead, behind = (other, reference) if counts.difference > 0 else (reference, other)
        by, can = abs(100 * counts.difference), "can" if counts.p_value < SIGNIFICANCE else "cannot"
        headline = f"{ahead.name} is ahead of {behind.name} by {by:.2f} points"
        headline += f", which {can} be told from chance"
    first, second = (
        text.percent((counts.both + right) / counts.n) for right in (counts.lost, counts.gained)
    )
    return Verdict(
        headline,
        f"{other.name} {second}%, {reference.name} {first}% of {counts.n} images that both ran: "
        f"{text.paired_words(counts.as_json())}.",
    )


def facts(group: RunGroup) -> list[Fact]:
    """Model, data, preset, α, β, dtype and date of a group's runs."""
    found = [
        Fact("model", group.model),
        _fact(group, "checkpoint", lambda run: run.facts["sha256"].get("checkpoint")),
        Fact("data", f"{group.dataset}: {group.taxonomy.title}"),
        _fact(group, "images", lambda run: run.summary["n"]),
        _fact(group, "question file", lambda run: run.facts["sha256"].get("question_file")),
        _fact(group, "preset", lambda run: run.facts["preset"]),
        _fact(group, "α", _setting("alpha"), "confidence threshold of the gate"),
        _fact(group, "β", _setting("beta"), "share of visual tokens that is dropped"),
        _fact(group, "dtype", _dtype),
        _fact(group, "device", _devices),
        _fact(group, "date", _date, "day on which the results were written, in UTC"),
    ]
    return [fact for fact in found if fact.value]


def _fact(
    group: RunGroup, name: str, value_of: Callable[[StoredRun], Any], meaning: str = ""
) -> Fact:
    """The value of all runs that have one; where it is not the same, `whole` tells whose it is."""
    names: dict[str, list[str]] = {}
    for run in group.runs:
        if (value := value_of(run)) is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            names.setdefault(text, []).append(run.name)
    shown = ", ".join(map(cut, names))
    if len(names) < 2:
        return Fact(name, shown, meaning or next((text for text in names if text != shown), ""))
    by_run = "; ".join(f"{value}: {', '.join(runs)}" for value, runs in names.items())
    return Fact(name, f"{shown} (by run)", f"{meaning}. {by_run}" if meaning else by_run)


def cut(whole: str) -> str:
    """A long text without its middle: "0123456…89abcdef"."""
    if len(whole) <= SHOWN_LETTERS or " " in whole:
        return whole
    half = SHOWN_LETTERS // 2
    return f"{whole[: half - 1]}…{whole[-half:]}"


def _setting(name: str) -> Callable[[StoredRun], Any]:
    """A function that gives a setting of a run whose method reads it."""

    def value(run: StoredRun) -> Any:
        method = METHODS.get(run.method)
        return run.configuration[name] if method is None or name in method.reads else None

    return value


def _devices(run: StoredRun) -> str | None:
    """Names of the devices that computed its rows."""
    machines = run.facts.get("machines") or [run.facts.get("environment") or {}]
    names = [machine.get("device_name") for machine in machines]
    return " and ".join(dict.fromkeys(name or "unknown" for name in names)) if any(names) else None


def _dtype(run: StoredRun) -> str | None:
    dtype, vision = (run.configuration.get(name) for name in ("dtype", "vision_dtype"))
    return f"{dtype}, vision tower {vision}" if vision not in (None, dtype) else dtype


def _date(run: StoredRun) -> str:
    return datetime.fromtimestamp(run.written_at, UTC).date().isoformat()
