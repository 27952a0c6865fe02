"""Samples shown as pictures: chosen by id, or drawn evenly, always the same ones."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import TypeVar

from sepm.errors import InputError, did_you_mean
from sepm.method.taxonomy import Taxonomy
from sepm.records.writing import Record
from sepm.report.runs import RunGroup

T = TypeVar("T")


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, spread evenly over a sequence."""
    if count >= len(items):
        return list(items)
    return [items[int((i + 0.5) * len(items) / count)] for i in range(count)]


def per_class_samples(records: Sequence[Record], taxonomy: Taxonomy, count: int) -> list[Record]:
    """Evenly drawn records of each class, in the order of the options."""
    classes = ([r for r in records if r["label"] == name] for name in taxonomy.names)
    return [record for rows in classes for record in evenly(rows, count)]


def samples_by_id(records: Sequence[Record], ids: Sequence[str]) -> list[Record]:
    """The records of those question ids, in the order asked for.

    Raises:
        InputError: there is no such record.
    """
    by_id = {r["question_id"]: r for r in records}
    for key in ids:
        if key not in by_id:
            raise InputError(f"no sample '{key}' with scores{did_you_mean(key, by_id) or ''}")
    return [by_id[key] for key in ids]


def round_robin(strata: Sequence[Sequence[str]], count: int) -> list[str]:
    """Up to `count` different ids, each stratum as often as the others while it has any."""
    spread = [evenly(stratum, count) for stratum in strata]
    turns = (key for turn in zip_longest(*spread) for key in turn if key is not None)
    return list(dict.fromkeys(turns))[:count]


def spread_ids(group: RunGroup, count: int) -> list[str]:
    """Up to `count` question ids, spread over classes, and over right, wrong, gained and lost."""
    reference, main = group.compared or (None, group.runs[0])
    before = {r["question_id"]: r["correct"] for r in reference.records} if reference else {}
    classes: dict[str, dict[tuple[bool, bool], list[str]]] = {n: {} for n in group.taxonomy.names}
    for record in main.records:
        if record["status"] != "error":
            key, correct = record["question_id"], record["correct"]
            outcomes = classes[record["label"]]
            outcomes.setdefault((correct, before.get(key, correct)), []).append(key)
    # All classes have their turn with one outcome before any has it with the next.
    turns = zip_longest(*([found[k] for k in sorted(found)] for found in classes.values()))
    return round_robin([ids for turn in turns for ids in turn if ids], count)
