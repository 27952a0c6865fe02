"""What is measured: the ways to compute the same answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llava import Llava
from llava.prompt import Prompt
from sepm.analysis.sweep import outer_runs
from sepm.bench.reference import Reference, reference_of
from sepm.bench.request import BenchRequest
from sepm.bench.shapes import Shape
from sepm.bench.stages import StageClock
from sepm.datasets.question_file import Question
from sepm.errors import RunError
from sepm.inference.batch_size import Batcher
from sepm.inference.runner import run_questions
from sepm.inference.window import Job
from sepm.method.algorithm import coarse_query, fine_query
from sepm.method.config import DEFAULT_PRESET, PRESETS, MethodConfig
from sepm.method.dialogue import Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.progress import tell
from sepm.registry import METHODS, get_method

CONFIG = PRESETS[DEFAULT_PRESET]
ALPHAS = (0.06, 0.08, 0.1, 0.12, 0.14)
"""Of the sweep; only the smallest and the largest are run, the others are read off."""
SEPM = f"sepm β={CONFIG.beta:g}"
"""The run that every variant holds."""
SWEEP_RUNS = tuple(f"{SEPM} α={alpha:g}" for alpha in (min(ALPHAS), max(ALPHAS)))

Answer = tuple[str, str, Outcome]
"""Name of the run, question id, and what was decided."""
Pass = Callable[[Sequence[Question], StageClock], Iterator[Answer]]
"""One going-through of the questions."""


@dataclass(frozen=True)
class Workload:
    """A model and the images that all variants are measured on."""

    model: Llava
    shape: Shape
    taxonomy: Taxonomy
    questions: Sequence[Question]
    image_folder: Path

    @property
    def coarse_prompts(self) -> frozenset[Prompt]:
        """The prompts that ask the coarse query."""
        return frozenset(
            self.model.tokenize(coarse_text(self.taxonomy, phrase=phrase))
            for phrase in (False, True)
        )


@dataclass(frozen=True)
class Variant:
    """One way to compute, as one or several passes that are measured together."""

    key: str
    title: str
    passes: Mapping[str, Pass]
    """By name; the time of the variant is their sum."""
    batch_size: int = 1


def seven_runs() -> dict[str, Job]:
    """The methods that a table or two compare, by name."""
    names = ("zero-shot", "zero-shot-cot", "fp", "cci", "cci+fp")
    runs = {name: Job(get_method(name).recipe, CONFIG) for name in names}
    return runs | {f"sepm β={beta:g}": _sepm(replace(CONFIG, beta=beta)) for beta in (0.1, 0.2)}


def sweep_runs() -> dict[str, Job]:
    """SEPM at the smallest and the largest α, which hold what every α between them needs."""
    outer = outer_runs(CONFIG, DEFAULT_PRESET, {CONFIG.variance: ALPHAS})
    return {name: _sepm(run.config) for name, run in zip(SWEEP_RUNS, outer, strict=True)}


def _sepm(config: MethodConfig) -> Job:
    return Job(get_method("sepm").recipe, config)


def reference_variant(workload: Workload, seed: int) -> Variant:
    """What our variants are compared with."""
    reference = reference_of(workload.model, workload.shape, seed)
    one_by_one = {SEPM: reference_pass(workload, reference, SEPM, _sepm(CONFIG))}
    return Variant("reference", "reference script", one_by_one)


def our_variants(request: BenchRequest, workload: Workload) -> list[Variant]:
    """Our variants among those asked for, in the order in which they are measured."""
    sepm, size = {SEPM: _sepm(CONFIG)}, request.largest_batch
    variants = [
        Variant(batched(n), f"sepm, batch {n}", {SEPM: our_pass(workload, sepm, n)}, n)
        for n in request.measured_batch_sizes
    ]
    if "methods" in request.only:
        runs = seven_runs()
        apart = {name: our_pass(workload, {name: job}, size) for name, job in runs.items()}
        variants += [
            Variant("separate", f"seven runs apart, batch {size}", apart, size),
            _in_one_pass("together", "seven runs together", workload, runs, size),
        ]
    if "sweep" in request.only:
        variants.append(_in_one_pass("sweep", "sweep over 5 α", workload, sweep_runs(), size))
    return variants


def batched(size: int) -> str:
    """Key of the variant of that batch size."""
    return f"batch-{size}"


def _in_one_pass(
    key: str, title: str, workload: Workload, runs: dict[str, Job], size: int
) -> Variant:
    together = {"all": our_pass(workload, runs, size)}
    return Variant(key, f"{title}, batch {size}", together, size)


def our_pass(workload: Workload, runs: Mapping[str, Job], batch_size: int) -> Pass:
    """Some runs in one pass, as `sepm eval` computes them."""
    names, jobs = list(runs), list(runs.values())

    def run(questions: Sequence[Question], clock: StageClock) -> Iterator[Answer]:
        model, batcher = workload.model, Batcher(batch_size, tell)
        with clock.timing(model):
            for result in run_questions(
                model,
                questions,
                jobs,
                lambda job, question: True,
                workload.taxonomy,
                workload.image_folder,
                batcher,
            ):
                assert result.outcome is not None, "the images are ours and can be read"
                yield names[result.job], result.question.question_id, result.outcome
        if batcher.size != batch_size:
            raise RunError(
                f"memory does not suffice for batches of {batch_size}, only of {batcher.size}: "
                f"give --batch-sizes {batcher.size}"
            )

    return run


def reference_pass(workload: Workload, reference: Reference, name: str, job: Job) -> Pass:
    """One run, image by image, as an ordinary script computes it."""

    def run(questions: Sequence[Question], clock: StageClock) -> Iterator[Answer]:
        for question in questions:
            sample = Sample(question.question_id, workload.model.num_visual_tokens, question.text)
            dialogue = job.recipe(sample, workload.taxonomy, job.config)
            image = workload.image_folder / question.image
            yield name, question.question_id, reference.run(dialogue, image, clock)

    return run


def coarse_text(taxonomy: Taxonomy, *, phrase: bool) -> str:
    """The coarse query, with or without the phrase."""
    return coarse_query(_ANY_SAMPLE, taxonomy, CONFIG, phrase=phrase).text


_ANY_SAMPLE = Sample("", 1)


def asked_queries(taxonomy: Taxonomy) -> dict[str, str]:
    """Every query that some run asks, by what it is."""
    single = ("zero-shot", "zero-shot-cot", "fp")
    queries = {
        name: next(METHODS[name].recipe(_ANY_SAMPLE, taxonomy, CONFIG)).query.text
        for name in single
    }
    for phrase, suffix in ((False, ""), (True, ", phrase")):
        queries[f"coarse{suffix}"] = coarse_text(taxonomy, phrase=phrase)
        for branch in ("positive", "negative", "ambiguous"):
            query, _ = fine_query(branch, taxonomy, CONFIG, phrase=phrase)
            queries[f"{branch}{suffix}"] = query.text
    return queries
