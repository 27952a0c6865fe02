import pytest

from sepm.bench import stages
from sepm.bench.stages import COARSE, ENCODE, FINE, SHARED, StageClock
from sepm.bench.workload import SEPM, Workload


def a_clock(workload: Workload) -> StageClock:
    return StageClock(workload.model.device, workload.coarse_prompts)


def test_calls_are_told_apart_by_what_they_ask(workload: Workload) -> None:
    model, clock = workload.model, a_clock(workload)
    coarse = model.tokenize(workload.queries(SEPM)[0])
    fine = model.tokenize("Which?")
    with clock.timing(model):
        images = model.encode(workload.pixels(2))
        model.prefill([coarse, coarse], images, [(), ()])
        model.prefill([fine], images=images[:1], dropped=[()])
        prefix = model.image_prefix(model.text_prefix(fine), images)
        model.prefill_with_prefix(prefix, [0, 1], [[fine, fine], [coarse, coarse]], [(), ()])
    assert clock.calls == {ENCODE: 1, COARSE: 1, FINE: 1, SHARED: 3}
    assert clock.totals().keys() == clock.calls.keys()


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
    moments = iter([1.0, 3.5, 10.0, 10.25, 11.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(moments))
    clock = a_clock(workload)
    for _ in range(2):
        with clock.stage(ENCODE):
            pass
    assert (clock.totals()[ENCODE], clock.calls[ENCODE]) == (2.75, 2)
