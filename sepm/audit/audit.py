"""One audit from end to end: compute every variant, compare them."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sepm.audit.compute import compute
from sepm.audit.summary import compared
from sepm.audit.variants import REFERENCE, Precision, comparisons, default_precisions
from sepm.datasets.options import DataOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.models.device import environment
from sepm.models.opening import OpenedModel
from sepm.registry import MethodRun


def audit(
    data: DataOptions,
    opened: OpenedModel,
    runs: Sequence[MethodRun],
    batch_size: int,
    precisions: Sequence[Precision] | None = None,
    reference: Precision = "float32",
) -> dict[str, Any]:
    """Findings of the audit, ready for JSON.

    The model's own precision is not read. Without `precisions` to compare with the reference, they
    are the default ones of the device, or the reference's alone where that is not float32 (a half
    one, where float32 weights do not fit in memory). All methods in one pass have the batch size.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: a variant could not be computed.
    """
    if not precisions:
        device = opened.placement.device
        precisions = default_precisions(device.type) if reference == "float32" else [reference]
    wanted = comparisons(precisions, batch_size, replace(REFERENCE, dtype=reference))
    variants = list(dict.fromkeys(variant for comparison in wanted for variant in comparison))
    computed = compute(data, opened, runs, variants)
    alphas = {run.folder_name: run.config.alpha for run in runs}
    machine = environment(opened.placement)
    return {
        "dataset": load_taxonomy(data.dataset).name,
        "model": opened.name,
        "samples": len(next(iter(computed[variants[0]].records.values()))),
        "methods": {
            run.folder_name: {"method": run.method, "preset": run.preset, **asdict(run.config)}
            for run in runs
        },
        "environment": {k: v for k, v in machine.items() if k not in ("dtype", "vision_dtype")},
        "variants": [
            {**asdict(variant), "largest_batch": computed[variant].batch_size}
            for variant in variants
        ],
        "comparisons": [
            compared(pair, computed[pair[0]].records, computed[pair[1]].records, alphas)
            for pair in wanted
        ],
    }
