"""`sepm sensitivity`: accuracy over α and β (Fig. 3)."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sepm.analysis.plain_text import as_csv
from sepm.analysis.sweep import (
    DEFAULT_BETAS,
    VARIANCES,
    alpha_sweep,
    beta_sweep,
    distinct,
    outer_runs,
    swept_alphas,
)
from sepm.analysis.sweep_text import as_markdown, as_rows
from sepm.commands.shared_options import (
    add_groups,
    add_method_options,
    evaluation_request,
    method_config,
)
from sepm.datasets.files import write_whole
from sepm.datasets.options import DataOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.evaluation.request import EvaluationRequest, RunOptions
from sepm.method.confidence import Variance
from sepm.models.options import ModelOptions
from sepm.progress import tell
from sepm.records.folder import as_json
from sepm.records.writing import Record
from sepm.registry import MethodRun
from sepm.terminal import show, show_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--alphas",
        nargs="+",
        type=float,
        metavar="A",
        help="values of α, each for the variances that reach it; they cost nothing [21 values over "
        "each variance's range]",
    )
    parser.add_argument(
        "--betas",
        nargs="+",
        type=float,
        default=DEFAULT_BETAS,
        metavar="B",
        help=f"values of β; each costs a fine pass [{' '.join(map(str, DEFAULT_BETAS))}]",
    )
    add_groups(parser, ModelOptions, DataOptions, RunOptions)
    add_method_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 0."""
    request = evaluation_request(args)
    config = method_config(args)
    alphas: dict[Variance, tuple[float, ...]] = {
        variance: swept_alphas(args.alphas, variance) for variance in VARIANCES
    }
    outer = outer_runs(config, args.preset, alphas)
    betas = distinct(args.betas)
    by_beta = [MethodRun("sepm", replace(config, beta=beta), args.preset) for beta in betas]
    low, high, *beta_records = records_of(request, [*outer, *by_beta])
    result = {
        "dataset": load_taxonomy(request.data.dataset).name,
        "model": request.model.name,
        "preset": args.preset,
        "limit": request.data.limit,
        "configuration": asdict(config),
        "variance": config.variance,
        "alpha": {
            variance: alpha_sweep(low, high, values, variance, config.ambiguous_when)
            for variance, values in alphas.items()
            if values
        },
        "beta": beta_sweep(dict(zip(betas, beta_records, strict=True))),
    }
    if args.json:
        show_json(result)
    else:
        show(as_markdown(result))
    _write(request, MethodRun("sepm", config, args.preset), result)
    return 0


def records_of(request: EvaluationRequest, runs: Sequence[MethodRun]) -> list[Sequence[Record]]:
    """The records of each run, of the questions asked, computed where they are not on disk.

    Raises:
        InputError: the input is wrong.
        RunError: a run failed on the way.
    """
    from sepm.evaluation.evaluate import evaluated  # imports torch, once the options are right
    from sepm.models.opening import start_model

    content = request.data.read()
    found = evaluated(request, list(dict.fromkeys(runs)), content, start_model(request.model))
    return [found[run].records for run in runs]


def _write(request: EvaluationRequest, run: MethodRun, result: dict[str, Any]) -> None:
    folder = request.run.output_dir / result["dataset"] / result["model"]
    folder /= f"sensitivity{run.folder_name.removeprefix('sepm')}"
    write_whole(folder / "sensitivity.md", as_markdown(result))
    write_whole(folder / "sensitivity.csv", as_csv(list(as_rows(result))))
    write_whole(folder / "sensitivity.json", as_json(result))
    tell(f"{folder}: sensitivity.md, .csv, .json")
