"""`sepm eval`: methods over a question file, records and accuracy on disk."""

import argparse
import json
from pathlib import Path
from typing import Any

from sepm.commands.method_options import add_method_options, method_config
from sepm.evaluation.output import MethodRun
from sepm.evaluation.request import EvaluationRequest
from sepm.options import add_options, given_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method", nargs="+", required=True, metavar="NAME", help="one or several methods"
    )
    add_options(parser, EvaluationRequest)
    add_method_options(parser)
    parser.add_argument("--json", action="store_true", help="print the accuracy files as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 when every row was computed."""
    methods = list(dict.fromkeys(args.method))
    request = EvaluationRequest(**given_options(args, EvaluationRequest))
    config = method_config(args)
    runs = [MethodRun(name, config, args.preset) for name in methods]
    from sepm.evaluation.evaluate import evaluate  # imports torch, once the options are right

    paths = evaluate(request, runs)
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    print(json.dumps(results, ensure_ascii=False, indent=1) if args.json else table(results, paths))
    return 0


def table(results: list[dict[str, Any]], paths: list[Path]) -> str:
    """Accuracy with its 95% interval beside the paper's, and where the files lie."""
    rows = [f"{'method':<16}{'n':>7}  {'accuracy':>8}  {'95% interval':>15}  {'paper':>6}  unread"]
    for result in results:
        paper = result.get("paper")
        rows.append(
            f"{result['method']:<16}{result['n']:>7}  {_percent(result['accuracy']):>8}  "
            f"{_interval(result['ci95']):>15}  "
            f"{_percent(paper['reported']) if paper else '-':>6}  {result['unread']:>6}"
        )
        if result["errors"]:
            rows.append(f"  {result['errors']} rows could not be run and are not in n")
    return "\n".join([*rows, "", *(str(path) for path in paths)])


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def _interval(interval: list[float] | None) -> str:
    return "-" if interval is None else f"{100 * interval[0]:.2f}-{100 * interval[1]:.2f}"
