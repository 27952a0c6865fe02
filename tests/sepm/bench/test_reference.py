import pytest
import torch

from sepm.bench.apart import reference_apart
from sepm.bench.reference import reference_of
from sepm.bench.request import BenchRequest
from sepm.bench.stages import COARSE, ENCODE, FINE, LOAD, StageClock
from sepm.bench.variants import SEPM, Workload, our_pass, reference_pass, seven_runs
from sepm.method.dialogue import Outcome
from sepm.models.device import Placement


def both(workload: Workload) -> tuple[dict[str, Outcome], dict[str, Outcome], StageClock]:
    """Our outcomes at batch 1 and the reference's, by question, and the reference's clock."""
    job = seven_runs()[SEPM]
    reference = reference_of(workload.model, workload.shape, seed=0)
    passes = (
        our_pass(workload, {SEPM: job}, 1),
        reference_pass(workload, reference, SEPM, job),
    )
    clocks = [StageClock(workload.model.device, workload.coarse_prompts) for _ in passes]
    ours, theirs = (
        {question: outcome for _, question, outcome in one_pass(workload.questions, clock)}
        for one_pass, clock in zip(passes, clocks, strict=True)
    )
    return ours, theirs, clocks[1]


def test_the_reference_computes_what_we_compute(workload: Workload) -> None:
    ours, theirs, _ = both(workload)
    assert len(theirs) == len(workload.questions)
    for question, outcome in theirs.items():
        coarse, our_coarse = outcome.coarse, ours[question].coarse
        assert coarse is not None
        assert our_coarse is not None
        assert coarse.reply.probs == pytest.approx(our_coarse.reply.probs, abs=1e-5)
        assert coarse.reply.scores == pytest.approx(our_coarse.reply.scores, abs=1e-5)
        assert (coarse.reply.letter, coarse.branch) == (our_coarse.reply.letter, our_coarse.branch)
        assert outcome.dropped == ours[question].dropped
        assert outcome.reply.letter == ours[question].reply.letter
        assert outcome.reply.probs == pytest.approx(ours[question].reply.probs, abs=1e-5)


def test_the_reference_decodes_and_encodes_an_image_for_each_query(workload: Workload) -> None:
    *_, clock = both(workload)
    rows = {name: stage.rows for name, stage in clock.totals().items()}
    images = len(workload.questions)
    assert rows == {LOAD: 2 * images, ENCODE: 2 * images, COARSE: images, FINE: images}


def test_the_reference_holds_no_second_copy_of_the_weights(workload: Workload) -> None:
    reference = reference_of(workload.model, workload.shape, seed=0)
    for theirs, ours in (
        (reference.language_model, workload.model.language_model),
        (reference.tower, workload.model.vision_tower.vision_model),
    ):
        their_places = {name: p.data_ptr() for name, p in theirs.named_parameters()}
        assert all(their_places[name] == p.data_ptr() for name, p in ours.named_parameters())


def test_the_reference_runs_the_whole_tower_with_eager_attention(workload: Workload) -> None:
    reference = reference_of(workload.model, workload.shape, seed=0)
    depth = workload.shape.tower.num_hidden_layers
    assert (
        len(reference.tower.encoder.layers) == depth == workload.model.vision_tower.num_layers + 1
    )
    assert reference.tower.config._attn_implementation == "eager"
    assert reference.language_model.config._attn_implementation == "eager"


def test_in_a_process_of_its_own_it_decides_the_same(workload: Workload) -> None:
    request = BenchRequest(images=len(workload.questions), repeats=1, dtype="float32", threads=1)
    place = Placement(workload.model.device, torch.float32, torch.float32)
    (apart,) = reference_apart(workload.shape, place, request).values()
    outcomes = apart.measurements[0].outcomes
    _, here, _ = both(workload)
    assert {question: o.reply.letter for (_, question), o in outcomes.items()} == {
        question: o.reply.letter for question, o in here.items()
    }
    assert {question: o.dropped for (_, question), o in outcomes.items()} == {
        question: o.dropped for question, o in here.items()
    }
