"""`sepm eval`: methods over a question file, records and accuracy on disk."""

import argparse
import json

from sepm.analysis.eval_text import as_text
from sepm.analysis.plain_text import ways_read
from sepm.commands.shared_options import (
    add_groups,
    add_method_names,
    add_method_options,
    evaluation_request,
    method_runs,
)
from sepm.datasets.options import DataOptions
from sepm.evaluation.request import RunOptions
from sepm.models.options import ModelOptions
from sepm.progress import tell
from sepm.terminal import show_result


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
    from sepm.models.opening import start_model

    content = request.data.read()
    paths = evaluate(request, runs, content, start_model(request.model))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    show_result(results, as_text(results, paths), as_json=args.json)
    for path, result in zip(paths, results, strict=True):
        if (ways := ways_read(result)) is not None:
            tell(f"{path.parent.name}, answers by how they were read, {ways}")
    return 0
