"""`sepm eval`: methods over a question file, records and accuracy on disk."""

import argparse
import json
from pathlib import Path
from typing import Any

from sepm.analysis.plain_text import row_label, ways_read
from sepm.commands.shared_options import (
    add_groups,
    add_method_names,
    add_method_options,
    evaluation_request,
    method_runs,
    start_model,
)
from sepm.datasets.options import DataOptions
from sepm.evaluation.request import RunOptions
from sepm.models.options import ModelOptions
from sepm.progress import tell
from sepm.terminal import show, show_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_method_names(parser)
    add_groups(parser, ModelOptions, DataOptions, RunOptions)
    add_method_options(parser)
    parser.add_argument("--json", action="store_true", help="print the accuracy files as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 0: every row was computed, or is an error that was to be skipped."""
    request = evaluation_request(args)
    runs = method_runs(args)
    from sepm.evaluation.evaluate import evaluate  # imports torch, once the options are right

    content = request.data.read()
    paths = evaluate(request, runs, content, start_model(request.model))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    if args.json:
        show_json(results)
    else:
        show(table(results, paths))
    for path, result in zip(paths, results, strict=True):
        if (ways := ways_read(result)) is not None:
            tell(f"{path.parent.name}, answers by how they were read, {ways}")
    return 0


def table(results: list[dict[str, Any]], paths: list[Path]) -> str:
    """Accuracy with its 95% interval beside the paper's, and where the files lie."""
    first = results[0]
    names = [
        row_label(path.parent.name, result["method"], result["configuration"])
        for result, path in zip(results, paths, strict=True)
    ]
    width = max(len("method"), *map(len, names))
    title = f"{first['dataset']}, {first['model']}, percent (chance {_percent(first['chance'])})"
    header = f"{'method':<{width}}  {'n':>6}  accuracy  {'95% interval':>13}  paper  unread  errors"
    rows = [
        f"{name:<{width}}  {result['n']:>6}  {_percent(result['accuracy']):>8}  "
        f"{_interval(result['ci95']):>13}  {_paper(result):>5}  {result['unread']:>6}  "
        f"{result['errors']:>6}"
        for name, result in zip(names, results, strict=True)
    ]
    if any(result["errors"] for result in results):
        rows += ["", "errors: rows that could not be run; they are not in n"]
    notes = (result["paper"]["note"] for result in results if "paper" in result)
    rows += [f"paper: {note}" for note in dict.fromkeys(notes) if note]
    return "\n".join([title, header, *rows, "", *map(str, paths)])


def _paper(result: dict[str, Any]) -> str:
    return _percent(result["paper"]["reported"]) if "paper" in result else "-"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def _interval(interval: list[float] | None) -> str:
    return "-" if interval is None else f"{100 * interval[0]:.2f}-{100 * interval[1]:.2f}"
