"""The records of every variant of an audit; one model in memory at a time."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llava import Llava
from sepm.audit.variants import Variant
from sepm.datasets.question_file import Question, read_questions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import RunError
from sepm.evaluation.preflight import check_images, note_text_use
from sepm.evaluation.request import EvaluationRequest
from sepm.evaluation.run_folder import MethodRun
from sepm.inference.batch_size import Batcher
from sepm.inference.image_loader import worker_failures
from sepm.inference.progress import progress_bar, tell
from sepm.inference.prompt_check import check_prompts, texts_of
from sepm.inference.runner import run_questions
from sepm.inference.window import jobs_of
from sepm.method.taxonomy import Taxonomy
from sepm.models.opening import check_option_letters, find_checkpoint, load_model
from sepm.records.record import Record, record_of
from sepm.registry import get_method


@dataclass(frozen=True)
class Computed:
    """What one variant computed."""

    records: dict[str, list[Record]]
    """Of each method, by its folder's name, in the question file's order; scores saved."""
    batch_size: int
    """Largest batch that memory allowed."""


def compute(
    request: EvaluationRequest, runs: Sequence[MethodRun], variants: Sequence[Variant]
) -> dict[Variant, Computed]:
    """What each variant computes; the variants of one precision share a model.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: a variant could not be computed.
    """
    taxonomy = load_taxonomy(request.dataset)
    questions = read_questions(request.question_file, taxonomy, request.image_folder)
    questions = questions[: request.limit]
    checkpoint = find_checkpoint(request.model_path, request.conversation)
    for run in runs:
        get_method(run.method).require_model(run.config, checkpoint.family, checkpoint.num_layers)
    note_text_use(questions, runs)
    check_images(request, questions)
    computed: dict[Variant, Computed] = {}
    for dtype in dict.fromkeys(variant.dtype for variant in variants):
        same = [variant for variant in variants if variant.dtype == dtype]
        computed |= _of_one_model(request, runs, same, questions, taxonomy)
        gc.collect()  # the next model comes in when this one has gone
    return computed


def _of_one_model(
    request: EvaluationRequest,
    runs: Sequence[MethodRun],
    variants: Sequence[Variant],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
) -> Mapping[Variant, Computed]:
    dtype = variants[0].dtype
    model = load_model(
        request.model_path,
        request.device,
        dtype,
        conversation=request.conversation,
        advice="Try --reference float16, which needs no float32 weights, or --device cpu",
    )
    check_option_letters(model, taxonomy)
    texts = texts_of(questions, request.question_file)
    check_prompts(model, jobs_of(runs), taxonomy, texts)
    with worker_failures("An audit keeps nothing: give the command again"):
        return {
            variant: _of_variant(model, variant, runs, questions, taxonomy, request)
            for variant in variants
        }


def _of_variant(
    model: Llava,
    variant: Variant,
    runs: Sequence[MethodRun],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    request: EvaluationRequest,
) -> Computed:
    """What a variant computes: all methods in one pass, or a pass for each."""
    tell(str(variant))
    batcher = Batcher(variant.batch_size, tell)
    passes = [runs] if variant.together else [[run] for run in runs]
    records: dict[str, dict[str, Record]] = {run.folder_name: {} for run in runs}
    with progress_bar(len(passes) * len(questions), 0) as bar:
        for together in passes:
            jobs = jobs_of(together)
            rows_left = {question.question_id: len(jobs) for question in questions}
            for result in run_questions(
                model,
                questions,
                jobs,
                lambda job, question: True,
                taxonomy,
                request.image_folder,
                batcher,
            ):
                question = result.question
                if result.outcome is None:
                    raise RunError(f"{question.image}: {result.error}")
                record = record_of(
                    question, result.outcome, taxonomy, result.image_sha256, save_scores=True
                )
                records[together[result.job].folder_name][question.question_id] = record
                rows_left[question.question_id] -= 1
                bar.update(rows_left[question.question_id] == 0)
    in_order = {
        name: [rows[question.question_id] for question in questions]
        for name, rows in records.items()
    }
    return Computed(in_order, batcher.size)
