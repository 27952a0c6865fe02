import pytest
import torch

from sepm.bench import stages
from sepm.bench.stages import COARSE, ENCODE, FINE, MIXED, PREFIX, StageClock
from sepm.bench.variants import Workload, coarse_text


def a_clock(workload: Workload) -> StageClock:
    return StageClock(workload.model.device, workload.coarse_prompts)


def test_calls_are_told_apart_by_what_they_ask(workload: Workload) -> None:
    model, clock = workload.model, a_clock(workload)
    coarse = model.tokenize(coarse_text(workload.taxonomy, phrase=True))
    fine = model.tokenize("Which?")
    tokens = torch.ones(2, model.num_visual_tokens, workload.shape.language.hidden_size)
    side = workload.shape.tower.image_size
    with clock.timing(model):
        model.encode(torch.ones(3, 3, side, side))
        model.prefill([coarse, coarse], tokens)
        model.prefill([fine], visual_tokens=tokens[:1])
    counted = {name: (stage.calls, stage.rows) for name, stage in clock.totals().items()}
    assert counted == {ENCODE: (1, 3), COARSE: (1, 2), FINE: (1, 1)}


def test_what_prompts_share_and_what_runs_behind_it_are_stages_of_their_own(
    workload: Workload,
) -> None:
    model, clock = workload.model, a_clock(workload)
    coarse = model.tokenize(coarse_text(workload.taxonomy, phrase=True))
    fine = model.tokenize("Which?")
    tokens = torch.ones(2, model.num_visual_tokens, workload.shape.language.hidden_size)
    with clock.timing(model):
        prefix = model.prefix(model.opening(fine), tokens)
        model.prefill_behind(prefix, [0, 1], [[fine, fine], [coarse, coarse]], [(), ()])
    counted = {name: (stage.calls, stage.rows) for name, stage in clock.totals().items()}
    assert counted == {PREFIX: (2, 2), MIXED: (1, 4)}


def test_the_model_is_as_before_once_timing_ends(workload: Workload) -> None:
    before = dict(vars(workload.model))

    def fail() -> None:
        with a_clock(workload).timing(workload.model):
            assert vars(workload.model) != before
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert vars(workload.model) == before


def test_a_stage_adds_up_its_seconds(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1.0, 3.5, 10.0, 10.25])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(moments))
    clock = a_clock(workload)
    for rows in (2, 1):
        with clock.stage(ENCODE, rows):
            pass
    assert clock.totals()[ENCODE] == stages.Stage(seconds=2.75, calls=2, rows=3)
