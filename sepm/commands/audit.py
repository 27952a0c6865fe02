"""`sepm audit`: what batches, shared work and half precision change, and by how little."""

import argparse
from pathlib import Path

from sepm.audit.summary import unexplained_in_float32
from sepm.audit.text import as_text
from sepm.audit.variants import PRECISIONS
from sepm.commands.dataclass_options import given_options
from sepm.commands.shared_options import (
    add_groups,
    add_method_names,
    add_method_options,
    method_runs,
)
from sepm.datasets.files import write_whole
from sepm.datasets.options import DataOptions
from sepm.errors import RunError
from sepm.evaluation.request import RunOptions, check_batch_size
from sepm.models.options import ModelOptions
from sepm.records.folder import as_json
from sepm.terminal import show, show_json

DECIDED_HERE = ("limit", "dtype", "vision_dtype", "on_bad_image")
DEFAULT_LIMIT = 64
SHOWN_FAILURES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_method_names(parser)
    add_groups(parser, ModelOptions, DataOptions, without=DECIDED_HERE)
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="LIMIT",
        help="compute only the first LIMIT questions [%(default)s]",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=RunOptions.batch_size,
        metavar="N",
        help="images computed together in the fast path [%(default)s]",
    )
    parser.add_argument(
        "--dtypes",
        nargs="+",
        choices=PRECISIONS,
        help="precisions to compare with the reference [float32, and bfloat16 on a CPU, where "
        "float16 is slow, or float16 elsewhere; a half-precision reference's own]",
    )
    parser.add_argument(
        "--reference",
        choices=PRECISIONS,
        default="float32",
        help="precision of the reference, which computes each method by itself at batch 1; a half "
        "one where float32 weights do not fit in memory [%(default)s]",
    )
    add_method_options(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where the report goes as JSON [results/audit/DATASET-MODEL.json]",
    )
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
    if args.json:
        show_json(report)
    else:
        show(f"{as_text(report)}\nAs JSON: {path}")
    write_whole(path, as_json(report))
    if wrong := list(unexplained_in_float32(report)):
        more = f" and {len(wrong) - SHOWN_FAILURES} more" * (len(wrong) > SHOWN_FAILURES)
        raise RunError(
            "in float32 batches and shared work change what rounding does not explain: "
            f"{', '.join(wrong[:SHOWN_FAILURES])}{more}. The report above has the margins"
        )
    return 0
