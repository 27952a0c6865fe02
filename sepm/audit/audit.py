"""An audit from end to end: every variant is computed, one model in memory at a time, compared."""

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sepm.audit.summary import compared
from sepm.audit.variants import REFERENCE, Precision, Variant, comparisons, default_precisions
from sepm.datasets.options import DataOptions
from sepm.datasets.question_file import Question
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import RunError
from sepm.evaluation.preflight import check_images, note_text_use
from sepm.inference.batch_size import Batcher
from sepm.inference.image_loader import worker_failures
from sepm.inference.prompt_check import check_prompts, texts_of
from sepm.inference.runner import run_questions
from sepm.method.taxonomy import Taxonomy
from sepm.models.device import environment
from sepm.models.opening import OpenedModel
from sepm.models.protocol import VisionLanguageModel
from sepm.progress import progress_bar, tell
from sepm.records.writing import Record, record_of
from sepm.registry import MethodRun

ADVICE = "Try --reference float16, which needs no float32 weights, or --device cpu"


@dataclass(frozen=True)
class Computed:
    """What one variant computed."""

    records: dict[str, list[Record]]
    """Of each method, by its folder's name, in the question file's order; scores saved."""
    batch_size: int
    """Largest batch that memory allowed."""


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


def compute(
    data: DataOptions,
    opened: OpenedModel,
    runs: Sequence[MethodRun],
    variants: Sequence[Variant],
) -> dict[Variant, Computed]:
    """What each variant computes; the variants of one precision share a model.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: a variant could not be computed.
    """
    content = data.read()
    questions = content.questions[: data.limit]
    for run in runs:
        run.require_model(opened)
    note_text_use(questions, runs)
    check_images(data, questions)
    computed: dict[Variant, Computed] = {}
    for dtype in dict.fromkeys(variant.dtype for variant in variants):
        same = [variant for variant in variants if variant.dtype == dtype]
        model = opened.in_precision(dtype, ADVICE).model
        check_prompts(model, runs, content.taxonomy, texts_of(questions, data.question_file))
        with worker_failures("An audit keeps nothing: give the command again"):
            for variant in same:
                computed[variant] = _compute_variant(
                    model, variant, runs, questions, content.taxonomy, data.image_folder
                )
        del model
        gc.collect()  # the next model comes in when this one has gone
    return computed


def _compute_variant(
    model: VisionLanguageModel,
    variant: Variant,
    runs: Sequence[MethodRun],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    image_folder: Path,
) -> Computed:
    """What a variant computes: all methods in one pass, or a pass for each."""
    tell(str(variant))
    batcher = Batcher(variant.batch_size, tell)
    passes = [runs] if variant.together else [[run] for run in runs]
    records: dict[str, dict[str, Record]] = {run.folder_name: {} for run in runs}
    with progress_bar(len(passes) * len(questions), 0) as bar:
        for together in passes:
            rows_left = {question.question_id: len(together) for question in questions}
            for result in run_questions(
                model, questions, together, taxonomy, image_folder, batcher
            ):
                question = result.question
                if result.outcome is None:
                    raise RunError(f"{question.image}: {result.error}")
                record = record_of(
                    question, result.outcome, taxonomy, result.image_sha256, save_scores=True
                )
                records[together[result.run].folder_name][question.question_id] = record
                rows_left[question.question_id] -= 1
                bar.update(rows_left[question.question_id] == 0)
    in_order = {
        name: [rows[question.question_id] for question in questions]
        for name, rows in records.items()
    }
    return Computed(in_order, batcher.size)
