"""`sepm audit`: what batches, shared work and half precision change, and by how little."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sepm.audit.summary import unexplained_in_float32
from sepm.audit.text import as_document
from sepm.audit.variants import Precision
from sepm.commands.options import (
    COMMAND,
    AsJson,
    Checkpoint,
    MethodOptions,
    Methods,
    Settings,
    Task,
)
from sepm.datasets.files import write_whole
from sepm.datasets.options import DataOptions
from sepm.errors import RunError
from sepm.evaluation.request import DEFAULT_BATCH, RunOptions, check_batch_size, require_files
from sepm.models.options import ModelOptions
from sepm.records.folder import as_json as json_content
from sepm.terminal import show_result

SHOWN_FAILURES = 5


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """What is computed in which ways, and where the report goes."""

    limit: int = 64
    """Compute only the first LIMIT questions."""
    batch_size: int = DEFAULT_BATCH
    """Images computed together in the fast path."""
    dtypes: tuple[Precision, ...] | None = None
    """Precisions to compare with the reference [float32, and bfloat16 on a CPU, where float16 is
    slow, or float16 elsewhere; a half-precision reference's own]."""
    reference: Precision = "float32"
    """Precision of the reference, which computes each method by itself at batch 1; a half one where
    float32 weights do not fit in memory."""
    output: Path | None = None
    """JSON file of the report [results/audit/DATASET-MODEL.json]."""

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size)


def run(
    *,
    method: Methods,
    checkpoint: Checkpoint,
    task: Task,
    options: Annotated[AuditOptions, Parameter(name="*", group=COMMAND)] = AuditOptions(),
    settings: Settings = MethodOptions(),
    as_json: AsJson = False,
) -> int:
    """Compare batches, shared work and half precision with each method by itself, in float32.

    Exit status 0: in float32 nothing changed that rounding does not explain.

    Raises:
        RunError: something did; the report was printed and written before.
    """
    data = DataOptions(**vars(task), limit=options.limit)
    model = ModelOptions(**vars(checkpoint))
    runs = settings.runs(method)
    require_files(model, data)
    from sepm.audit.audit import audit  # imports torch, once the options are right
    from sepm.models.opening import start_model

    opened = start_model(model)
    report = audit(data, opened, runs, options.batch_size, options.dtypes, options.reference)
    name = f"{report['dataset']}-{report['model']}.json"
    path = options.output or RunOptions.output_dir / "audit" / name
    show_result(report, [*as_document(report), "", f"As JSON: {path}"], as_json=as_json)
    write_whole(path, json_content(report))
    if wrong := list(unexplained_in_float32(report)):
        more = f" and {len(wrong) - SHOWN_FAILURES} more" * (len(wrong) > SHOWN_FAILURES)
        raise RunError(
            "in float32 batches and shared work change what rounding does not explain: "
            f"{', '.join(wrong[:SHOWN_FAILURES])}{more}. The report above has the margins"
        )
    return 0
