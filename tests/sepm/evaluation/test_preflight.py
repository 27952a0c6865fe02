"""Notes before a run."""

import pytest

from sepm.datasets.tasks import load_taxonomy
from sepm.evaluation.preflight import note_single_options
from sepm.method.algorithm import coarse_to_fine
from sepm.method.config import PRESETS
from sepm.method.dialogue import Reply, Sample
from sepm.registry import MethodRun

POLARITY = load_taxonomy("polarity")
CONFIG = PRESETS["paper"]
RUNS = [MethodRun(name, CONFIG, "paper") for name in ("zero-shot", "cci", "sepm")]


def test_where_the_coarse_answer_alone_decides_it_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note_single_options(POLARITY, RUNS)
    said = capsys.readouterr().err
    assert "polarity has one positive and one negative class: where cci, sepm trusts" in said
    note_single_options(POLARITY, RUNS[:1])
    note_single_options(load_taxonomy("emoset"), RUNS)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("p_a", "offered"), [(0.9, "A"), (0.1, "B"), (0.6, "AB")])
def test_the_fine_query_of_two_classes_offers_the_coarse_answers_or_both(
    p_a: float, offered: str
) -> None:
    dialogue = coarse_to_fine(Sample("q", 4), POLARITY, CONFIG, phrase=True)
    next(dialogue)
    letter = "A" if p_a > 0.5 else "B"
    fine = dialogue.send(Reply(letter, letter, {"A": p_a, "B": 1 - p_a}))
    assert "".join(fine.options) == offered
