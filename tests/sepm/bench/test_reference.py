import pytest
import torch

from sepm.bench.measure import Outcomes, our_pass, reference_variant
from sepm.bench.request import BenchRequest
from sepm.bench.run import reference_apart
from sepm.bench.stages import COARSE, ENCODE, FINE, LOAD, StageClock
from sepm.bench.workload import SEPM, Workload
from sepm.models.device import Placement
from sepm.models.transformers_parts import transformers_parts


def by_the_script(workload: Workload) -> tuple[Outcomes, StageClock]:
    """The reference's outcomes in this process, and its clock."""
    clock = StageClock(workload.model.device, workload.coarse_prompts)
    (run,) = reference_variant(workload).passes
    return dict(run(workload.questions, clock)), clock


def test_the_reference_computes_what_we_compute(workload: Workload) -> None:
    theirs, clock = by_the_script(workload)
    ours = dict(our_pass(workload, {SEPM: workload.runs[SEPM]}, 1)(workload.questions, clock))
    assert len(theirs) == len(workload.questions)
    for key, outcome in theirs.items():
        coarse, our_coarse = outcome.coarse, ours[key].coarse
        assert coarse is not None
        assert our_coarse is not None
        assert coarse.reply.probs == pytest.approx(our_coarse.reply.probs, abs=1e-5)
        assert coarse.reply.scores == pytest.approx(our_coarse.reply.scores, abs=1e-5)
        assert (coarse.reply.letter, coarse.branch) == (our_coarse.reply.letter, our_coarse.branch)
        assert outcome.dropped == ours[key].dropped
        assert outcome.reply.letter == ours[key].reply.letter
        assert outcome.reply.probs == pytest.approx(ours[key].reply.probs, abs=1e-5)


def test_the_reference_decodes_and_encodes_an_image_for_each_query(workload: Workload) -> None:
    _, clock = by_the_script(workload)
    images = len(workload.questions)
    assert clock.calls == {LOAD: 2 * images, ENCODE: 2 * images, COARSE: images, FINE: images}


def test_the_reference_holds_no_second_copy_of_the_weights(workload: Workload) -> None:
    parts = transformers_parts(workload.model)
    for theirs, ours in (
        (parts.language_model, workload.model.language_model),
        (parts.vision_tower, workload.model.vision_tower.vision_model),
    ):
        their_places = {name: p.data_ptr() for name, p in theirs.named_parameters()}
        assert all(their_places[name] == p.data_ptr() for name, p in ours.named_parameters())


def test_the_reference_runs_the_whole_tower_with_eager_attention(workload: Workload) -> None:
    parts = transformers_parts(workload.model)
    depth = workload.model.shape.tower.num_hidden_layers
    assert len(parts.vision_tower.encoder.layers) == depth
    assert workload.model.vision_tower.num_layers == depth - 1
    assert parts.vision_tower.config._attn_implementation == "eager"
    assert parts.language_model.config._attn_implementation == "eager"


@pytest.mark.parametrize("workload", ["vila"], indirect=True, scope="session")
def test_in_a_process_of_its_own_it_decides_the_same(workload: Workload) -> None:
    request = BenchRequest(images=len(workload.questions), repeats=1, dtype="float32", threads=1)
    place = Placement(workload.model.device, torch.float32, torch.float32)
    (apart,) = reference_apart(workload.model.shape, place, request).values()
    here, _ = by_the_script(workload)
    there = apart.measurements[0].outcomes
    assert [(key, o.reply.letter, o.dropped) for key, o in there.items()] == [
        (key, o.reply.letter, o.dropped) for key, o in here.items()
    ]
