"""`sepm sensitivity`: accuracy over α and β (Fig. 3)."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated

from cyclopts import Parameter

from sepm.analysis.sweep import (
    DEFAULT_BETAS,
    VARIANCES,
    distinct,
    outer_runs,
    rescored,
    sweep,
    swept_alphas,
)
from sepm.analysis.sweep_text import as_document, as_rows, as_summary
from sepm.commands.options import COMMAND, AsJson, Data, MethodOptions, Model, Run, Settings
from sepm.commands.result_files import write_result
from sepm.datasets.tasks import load_taxonomy
from sepm.evaluation.request import EvaluationRequest, RunOptions, require_files
from sepm.method.confidence import Variance
from sepm.registry import MethodRun
from sepm.terminal import show_result


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Values that are swept over."""

    alphas: tuple[float, ...] | None = None
    """Values of α, each for the variances that reach it; they cost nothing [21 values over each
    variance's range]."""
    betas: tuple[float, ...] = DEFAULT_BETAS
    """Values of β; each costs a fine pass."""


def run(
    *,
    model: Model,
    data: Data,
    run: Run = RunOptions(),
    options: Annotated[SweepOptions, Parameter(name="*", group=COMMAND)] = SweepOptions(),
    settings: Settings = MethodOptions(),
    as_json: AsJson = False,
) -> int:
    """Compute accuracy over α and β (Fig. 3); the file has every value."""
    request, config, preset = EvaluationRequest(model, data, run), settings.config, settings.preset
    alphas: dict[Variance, tuple[float, ...]] = {
        variance: swept_alphas(options.alphas, variance) for variance in VARIANCES
    }
    outer = outer_runs(config, preset, alphas)
    betas, when = distinct(options.betas), config.ambiguous_when
    by_beta = [MethodRun("sepm", replace(config, beta=beta), preset) for beta in betas]
    require_files(model, data)
    from sepm.evaluation.evaluate import evaluated  # imports torch, once the options are right
    from sepm.models.opening import start_model

    runs, opened = dict.fromkeys([*outer, *by_beta]), start_model(request.model)
    found = evaluated(request, list(runs), request.data.read(), opened)
    low, high, *beta_records = (found[run].records for run in (*outer, *by_beta))
    result = {
        "dataset": load_taxonomy(request.data.dataset).name,
        "model": request.model.name,
        "preset": preset,
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
    show_result(result, as_summary(result), as_json=as_json)
    differing = MethodRun("sepm", config, preset).folder_name.removeprefix("sepm")
    folder = request.run.output_dir / result["dataset"] / result["model"]
    stem = folder / f"sensitivity{differing}" / "sensitivity"
    write_result(stem, result, as_document(result), as_rows(result))
    return 0
