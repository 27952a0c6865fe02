"""`sepm sensitivity`: accuracy over α and β (Fig. 3)."""

import argparse
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from sepm.analysis.sweep import (
    DEFAULT_BETAS,
    VARIANCES,
    distinct,
    outer_runs,
    rescored,
    sweep,
    swept_alphas,
)
from sepm.analysis.sweep_text import as_markdown, as_rows
from sepm.commands.dataclass_options import add_options
from sepm.commands.shared_options import (
    add_groups,
    add_method_options,
    evaluation_request,
    method_config,
    write_result,
)
from sepm.datasets.options import DataOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.evaluation.request import RunOptions
from sepm.method.confidence import Variance
from sepm.models.options import ModelOptions
from sepm.registry import MethodRun
from sepm.terminal import show_result


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Values that are swept over."""

    alphas: Annotated[
        tuple[float, ...] | None,
        "values of α, each for the variances that reach it; they cost nothing [21 values over each "
        "variance's range]",
    ] = None
    betas: Annotated[tuple[float, ...], "values of β; each costs a fine pass"] = DEFAULT_BETAS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_options(parser, SweepOptions)
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
    betas, when = distinct(args.betas), config.ambiguous_when
    by_beta = [MethodRun("sepm", replace(config, beta=beta), args.preset) for beta in betas]
    from sepm.evaluation.evaluate import evaluated  # imports torch, once the options are right
    from sepm.models.opening import start_model

    runs, opened = dict.fromkeys([*outer, *by_beta]), start_model(request.model)
    found = evaluated(request, list(runs), request.data.read(), opened)
    low, high, *beta_records = (found[run].records for run in (*outer, *by_beta))
    result = {
        "dataset": load_taxonomy(request.data.dataset).name,
        "model": request.model.name,
        "preset": args.preset,
        "limit": request.data.limit,
        "configuration": asdict(config),
        "variance": config.variance,
        "alpha": {
            variance: sweep({a: rescored(low, high, a, variance, when) for a in values})
            for variance, values in alphas.items()
            if values
        },
        "beta": sweep(dict(zip(betas, beta_records, strict=True))),
    }
    show_result(result, as_markdown(result), as_json=args.json)
    differing = MethodRun("sepm", config, args.preset).folder_name.removeprefix("sepm")
    folder = request.run.output_dir / result["dataset"] / result["model"]
    stem = folder / f"sensitivity{differing}" / "sensitivity"
    write_result(stem, result, as_markdown(result), as_rows(result))
    return 0
