"""The method of one's own in docs/extending.md runs, alone and beside others."""

import re
from pathlib import Path
from typing import Any

import pytest

from llava import load_checkpoint
from sepm import registry
from sepm.commands.predict import as_text
from sepm.datasets.question_file import read_question_file
from sepm.datasets.tasks import load_taxonomy
from sepm.inference.batch_size import Batcher
from sepm.inference.predict import Predictor
from sepm.inference.runner import run_questions
from sepm.method.answers import fine_key
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Sample
from sepm.method.dropping import lowest_scored
from sepm.method.prompts import Query, Span, fine_body
from sepm.method.taxonomy import Taxonomy
from sepm.registry import Method, MethodRun

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
NAMES = (Ask, Dialogue, MethodConfig, Outcome, Query, Sample, Span, Taxonomy)
FUNCTIONS = (fine_body, fine_key, lowest_scored)


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> MethodRun:
    """The page's method, registered."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    known: dict[str, Any] = {thing.__name__: thing for thing in (*NAMES, *FUNCTIONS)}
    known["Dialogue"] = Dialogue
    monkeypatch.setattr(registry, "METHODS", registry.METHODS.copy())
    known |= {"METHODS": registry.METHODS, "Method": Method, "WORDING": registry.WORDING}
    for code in blocks:
        exec(code, known)
    return MethodRun("twice", MethodConfig(beta=0.25))


def test_it_gives_the_rows_alone_that_it_gives_in_batches_beside_sepm(
    twice: MethodRun, scenes: Any, tiny_llava: Path
) -> None:
    model, emoset = load_checkpoint(str(tiny_llava)), load_taxonomy("emoset")
    content = read_question_file(scenes.question_file, emoset, scenes.image_folder)
    questions, runs = content.questions[:6], [twice, MethodRun("sepm", MethodConfig())]
    found = {
        result.question.question_id: result.outcome
        for result in run_questions(
            model, questions, runs, emoset, scenes.image_folder, Batcher(4, print)
        )
        if result.run == 0
    }
    decide = Predictor(model, twice, emoset)
    for question in questions:
        alone = decide(scenes.image_folder / question.image).outcome
        beside = found[question.question_id]
        assert beside is not None
        assert (beside.dropped, beside.reply.letter) == (alone.dropped, alone.reply.letter)
        assert beside.reply.probs == pytest.approx(alone.reply.probs, abs=1e-5)
        assert len(alone.dropped) == 4


def test_its_text_names_no_kind_of_dropping_that_it_does_not_read(
    twice: MethodRun, scenes: Any, tiny_llava: Path
) -> None:
    model, emoset = load_checkpoint(str(tiny_llava)), load_taxonomy("emoset")
    image = next(scenes.image_folder.rglob("*.png"))
    texts = [
        as_text(Predictor(model, run, emoset)(image))
        for run in (twice, MethodRun("sepm", MethodConfig(beta=0.25, drop="query")))
    ]
    assert "visual tokens (β = 0.25): " in texts[0]
    assert "visual tokens (β = 0.25, query): " in texts[1]


def test_a_method_may_know_the_grid_whose_tokens_it_drops(
    scenes: Any, tiny_llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_row = (0, 1, 2, 3)

    def recipe(sample: Sample, taxonomy: Taxonomy, config: MethodConfig) -> Dialogue:
        key = fine_key(taxonomy.classes)
        ask = Ask(Query("Which?"), taxonomy.option_letters, key, dropped=first_row)
        reply = yield ask
        return Outcome(ask.query, reply, ask.options, dropped=ask.dropped)

    monkeypatch.setitem(registry.METHODS, "rows", Method("by rows", recipe, frozenset({"beta"})))
    run = MethodRun("rows", MethodConfig(beta=0.25))
    predictor = Predictor(load_checkpoint(str(tiny_llava)), run, load_taxonomy("emoset"))
    image = next(scenes.image_folder.rglob("*.png"))
    assert predictor(image).outcome.dropped == first_row
