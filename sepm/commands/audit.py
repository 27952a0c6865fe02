"""`sepm audit`: what batches, shared work and half precision change, and by how little."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sepm.audit.summary import unexplained_in_float32
from sepm.audit.text import as_text
from sepm.audit.variants import Precision
from sepm.commands.dataclass_options import add_options, given_options
from sepm.commands.shared_options import (
    add_groups,
    add_method_names,
    add_method_options,
    method_runs,
)
from sepm.datasets.files import write_whole
from sepm.datasets.options import DataOptions
from sepm.errors import RunError
from sepm.evaluation.request import DEFAULT_BATCH, RunOptions, check_batch_size
from sepm.models.options import ModelOptions
from sepm.records.folder import as_json
from sepm.terminal import show_result

DECIDED_HERE = ("limit", "dtype", "vision_dtype", "on_bad_image")
SHOWN_FAILURES = 5


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """What is computed in which ways, and where the report goes."""

    limit: Annotated[int, "compute only the first LIMIT questions"] = 64
    batch_size: Annotated[int, "images computed together in the fast path"] = DEFAULT_BATCH
    dtypes: Annotated[
        tuple[Precision, ...] | None,
        "precisions to compare with the reference [float32, and bfloat16 on a CPU, where float16 "
        "is slow, or float16 elsewhere; a half-precision reference's own]",
    ] = None
    reference: Annotated[
        Precision,
        "precision of the reference, which computes each method by itself at batch 1; a half one "
        "where float32 weights do not fit in memory",
    ] = "float32"
    output: Annotated[
        Path | None, "where the report goes as JSON [results/audit/DATASET-MODEL.json]", "FILE"
    ] = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_method_names(parser)
    add_groups(parser, ModelOptions, DataOptions, without=DECIDED_HERE)
    add_options(parser, AuditOptions)
    add_method_options(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 0: in float32 nothing changed that rounding does not explain.

    Raises:
        RunError: something did; the report was printed and written before.
    """
    data = DataOptions(**given_options(args, DataOptions))
    model = ModelOptions(**given_options(args, ModelOptions))
    check_batch_size(args.batch_size)
    runs = method_runs(args)
    from sepm.audit.audit import audit  # imports torch, once the options are right
    from sepm.models.opening import start_model

    report = audit(data, start_model(model), runs, args.batch_size, args.dtypes, args.reference)
    name = f"{report['dataset']}-{report['model']}.json"
    path = args.output or RunOptions.output_dir / "audit" / name
    show_result(report, f"{as_text(report)}\nAs JSON: {path}", as_json=args.json)
    write_whole(path, as_json(report))
    if wrong := list(unexplained_in_float32(report)):
        more = f" and {len(wrong) - SHOWN_FAILURES} more" * (len(wrong) > SHOWN_FAILURES)
        raise RunError(
            "in float32 batches and shared work change what rounding does not explain: "
            f"{', '.join(wrong[:SHOWN_FAILURES])}{more}. The report above has the margins"
        )
    return 0
