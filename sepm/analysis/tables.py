"""Tables 1-3: their rows, and their cells made from prediction records, beside the paper's."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, get_args

from sepm.analysis.accuracy import accuracy_of, answered
from sepm.analysis.metrics import final_summary
from sepm.analysis.paired import pair_up, paired_counts, per_class_change
from sepm.analysis.paper_values import (
    DROP_ROWS,
    MODEL_COLUMNS,
    PAPER_MODELS,
    PaperValue,
    has_papers_settings,
    paper_cell,
    value_at,
)
from sepm.analysis.plain_text import row_label
from sepm.analysis.reported_elsewhere import reported_value
from sepm.method.config import DEFAULT_PRESET, Drop, MethodConfig
from sepm.method.taxonomy import Taxonomy
from sepm.records.writing import Record
from sepm.registry import MethodRun

PaperTask = Literal["emotion6", "emoset", "webemo7", "webemo25", "abstract"]
TASKS: tuple[PaperTask, ...] = get_args(PaperTask)
"""The tasks of Table 1, in its order; Tables 2 and 3 have the first two."""

TableNumber = Literal[1, 2, 3, "2+"]
"""The paper's tables, and Table 2 with more rows than the paper's."""

PAPER_COLUMN = "llava-7b"
"""Shown beside a model that the paper does not have."""

REFERENCE = "zero-shot"
"""Name of the row that the others are compared with, on the same images."""


@dataclass(frozen=True)
class Row:
    """A row of one of the paper's tables: a method with its settings."""

    name: str
    method: str
    paper: str | None = None
    """Name of the row in `paper.json`; None: the paper's table does not have it."""
    beta: float | None = None
    drop: Drop = "foe"
    seed: int | None = None

    def run(self, config: MethodConfig, preset: str) -> MethodRun:
        """Method and settings that fill the row, on any task."""
        beta = config.beta if self.beta is None else self.beta
        seed = config.seed if self.seed is None else self.seed
        own = replace(config, beta=beta, drop=self.drop, seed=seed)
        return MethodRun(self.method, own, preset)

    def paper_cell(self, table: TableNumber, column: str, task: str) -> float | None:
        """The paper's cell of a table, a fraction; None where it has none."""
        if self.paper is None:
            return None
        return paper_cell(table, column, self.paper, task, self.beta or 0)


@dataclass(frozen=True)
class Table:
    """One of the paper's tables."""

    number: TableNumber
    title: str
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    contrasts: tuple[tuple[str, str], ...]
    """Further comparisons: a row, and the row it is compared with."""
    repeated: tuple[tuple[str, ...], ...] = ()
    """Rows that differ in their seed alone, whose mean and spread are told."""


@dataclass(frozen=True)
class CellResult:
    """Run behind one cell: its folder, and its records of the questions asked."""

    folder: Path
    records: Sequence[Record]


ZERO_SHOT = Row(REFERENCE, "zero-shot", "zero-shot")
DROP_RATES = (0.1, 0.2)
SEEDS = range(5)
OTHER_DROPS: tuple[Drop, ...] = tuple(d for d in get_args(Drop) if d not in ("foe", "random"))
"""What stands beside FoE scores and chance in Table 2+."""


def _selector_rows(beta: float) -> tuple[Row, ...]:
    """Every way to drop at one β: the paper's three, chance with several seeds, and the others."""
    by_chance = (
        Row(f"random {seed} β={beta}", "sepm", beta=beta, drop="random", seed=seed)
        for seed in SEEDS
    )
    others = (Row(f"{drop} β={beta}", "sepm", beta=beta, drop=drop) for drop in OTHER_DROPS)
    return (Row(f"foe β={beta}", "sepm", beta=beta), *by_chance, *others)


TABLES: dict[TableNumber, Table] = {
    1: Table(
        1,
        "Comparison with other training-free methods",
        TASKS,
        (
            ZERO_SHOT,
            Row("zero-shot-cot", "zero-shot-cot", "zero-shot-cot"),
            Row("sparsevlm", "sparsevlm", "sparsevlm"),
            *(Row(f"sepm β={b}", "sepm", f"sepm-b{b}", b) for b in DROP_RATES),
        ),
        tuple((f"sepm β={b}", "sparsevlm") for b in DROP_RATES),
    ),
    2: Table(
        2,
        "What is dropped",
        TASKS[:2],
        (
            replace(ZERO_SHOT, paper=None),  # a reference that the paper's Table 2 does not have
            *(
                Row(f"{drop} β={b}", "sepm", row, b, drop)
                for drop, row in DROP_ROWS.items()
                for b in DROP_RATES
            ),
        ),
        tuple(
            (f"foe β={b}", f"{other} β={b}") for other in ("random", "query") for b in DROP_RATES
        ),
    ),
    "2+": Table(
        "2+",
        "What is dropped, beside selectors without text and controls",
        TASKS[:2],
        (
            replace(ZERO_SHOT, paper=None),
            Row("cci+fp", "cci+fp"),
            *(row for b in DROP_RATES for row in _selector_rows(b)),
        ),
        tuple(
            (f"foe β={b}", against)
            for b in DROP_RATES
            for against in (
                "cci+fp",
                *(f"{drop} β={b}" for drop in ("random 0", *OTHER_DROPS)),
            )
        ),
        tuple(tuple(f"random {seed} β={b}" for seed in SEEDS) for b in DROP_RATES),
    ),
    3: Table(
        3,
        "Ablation of the parts",
        TASKS[:2],
        (
            ZERO_SHOT,
            Row("cci", "cci", "cci"),
            Row("fp", "fp", "fp"),
            Row("cci+fp", "cci+fp", "cci+fp"),
            Row("sepm (cci+fp+vta)", "sepm", "cci+fp+vta", 0.2),
        ),
        (("cci+fp", "cci"), ("cci+fp", "fp"), ("sepm (cci+fp+vta)", "cci+fp")),
    ),
}


def build_table(
    table: Table,
    model: str,
    results: Mapping[str, Mapping[str, CellResult]],
    absent: Mapping[tuple[str, str], str],
    taxonomies: Mapping[str, Taxonomy],
    config: MethodConfig,
) -> dict[str, Any]:
    """The whole table, ready for JSON; accuracies and differences are fractions.

    Cells that were not run are not in `results`, by task and row, and some of them in `absent`
    with the reason. All rows were made with `config`, but for what each says itself.
    """
    column = MODEL_COLUMNS.get(model, PAPER_COLUMN)
    rows: list[dict[str, Any]] = []
    settings = asdict(config)
    labels = {row.name: row_label(row.name, row.method, settings) for row in table.rows}
    for row in table.rows:
        cells: dict[str, Any] = {}
        run = asdict(row.run(config, DEFAULT_PRESET).config)
        for task in table.tasks:
            paper = row.paper_cell(table.number, column, task)
            if row.name in results.get(task, {}):
                paper = paper if has_papers_settings(row.method, settings) else None
                cells[task] = _cell(row, task, results[task], paper, taxonomies[task])
            else:
                cells[task] = {"absent": absent.get((task, row.name), "not run"), "paper": paper}
            if others := reported_value(task, model, row.method, run):
                done = (cells[task].get(name) for name in ("accuracy", "n"))
                cells[task]["reported_elsewhere"] = others.beside(*done)
        rows.append({"name": labels[row.name], "method": row.method, "cells": cells})
        if table.tasks == TASKS:
            measured = [cell for cell in cells.values() if "accuracy" in cell]
            comparable = all(cell["paper"] is not None for cell in measured)
            rows[-1]["average"] = {
                "accuracy": _average([cell.get("accuracy") for cell in cells.values()]),
                "paper": row.paper_cell(1, column, "average") if comparable else None,
            }
    return {
        "table": table.number,
        "title": table.title,
        "model": model,
        "model_is_the_papers": model in MODEL_COLUMNS,
        "paper_model": PAPER_MODELS[column],
        "tasks": list(table.tasks),
        "rows": rows,
        "contrasts": [
            {
                "task": task,
                "row": row,
                "against": labels[against],
                **paired_counts(pair_up(done[against].records, done[row].records)).as_json(),
            }
            for task, done in results.items()
            for row, against in table.contrasts
            if row in done and against in done
        ],
        "repeated": [
            {"task": task, "rows": names, **spread}
            for task, done in results.items()
            for names in table.repeated
            if all(name in done for name in names)
            and (spread := _spread([done[name] for name in names]))
        ],
    }


def _cell(
    row: Row, task: str, done: Mapping[str, CellResult], paper: float | None, taxonomy: Taxonomy
) -> dict[str, Any]:
    """One cell, and its paired difference to zero-shot."""
    result = done[row.name]
    accuracy = accuracy_of(result.records)
    bounds, n = accuracy.ci95, accuracy.n
    value = PaperValue(None, None) if paper is None else value_at(paper, task, row.method, n)
    cell: dict[str, Any] = {
        "folder": str(result.folder),
        **accuracy.as_json(),
        "unread": accuracy.unread,
        "errors": accuracy.errors,
        "final": final_summary(answered(result.records), taxonomy),
        "paper": value.reported,
        "paper_note": value.note,
        "paper_in_ci95": bounds[0] <= value.reported <= bounds[1]
        if value.reported and bounds
        else None,
    }
    reference = done.get(REFERENCE)
    if row.name != REFERENCE and reference is not None:
        pairs = pair_up(reference.records, result.records)
        cell["versus_zero_shot"] = paired_counts(pairs).as_json()
        cell["per_class"] = per_class_change(pairs, taxonomy.names)
    return cell


def _spread(results: Sequence[CellResult]) -> dict[str, float] | None:
    """Mean, standard deviation (over n - 1) and range of some runs' accuracies.

    None where one of the runs has errors alone, and so no accuracy.
    """
    found = [accuracy_of(result.records).fraction for result in results]
    accuracies = [accuracy for accuracy in found if accuracy is not None]
    if len(accuracies) < len(found):
        return None
    return {
        "mean": fmean(accuracies),
        "sd": stdev(accuracies),
        "lowest": min(accuracies),
        "highest": max(accuracies),
    }


def _average(values: Sequence[float | None]) -> float | None:
    """Mean over the tasks, each with the same weight, as the paper's; None unless all are there."""
    there = [value for value in values if value is not None]
    return fmean(there) if len(there) == len(values) else None
