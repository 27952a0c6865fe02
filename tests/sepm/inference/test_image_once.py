"""`--image-pass once`: the fine query runs behind the coarse stage's image, without seeing R.

The measure is one sequence [system, image, text] through transformers' own LLaMA for each query,
with a 4-D mask in which the fine text does not see the dropped positions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from llava import Llava, load_checkpoint
from llava.prompt import Prompt
from sepm.inference.answering import prepare
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.inference.unbatched import run_alone, run_dialogue
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply
from sepm.method.dropping import visual_token_scores
from sepm.models.protocol import EncodedImage
from sepm.registry import MethodRun

from ..same_rows import assert_same_row
from .side_by_side import beside_and_alone, dialogue_of

ONCE = MethodConfig(image_pass="once", alpha=0.001)
RUNS = [
    *(MethodRun("sepm", replace(ONCE, beta=beta)) for beta in (0.0, 0.2, 0.5)),
    MethodRun("sepm", replace(ONCE, drop="random")),
    MethodRun("sepm", replace(ONCE, image_pass="twice")),
    MethodRun("cci+fp", ONCE),
]


@pytest.fixture(scope="module", params=[4, 2], ids=["multi-head", "grouped-query"])
def model(request: pytest.FixtureRequest, make_llava: Any, tmp_path_factory: Any) -> Llava:
    folder = tmp_path_factory.mktemp("once") / "llava-tiny"
    return load_checkpoint(str(make_llava(folder, kv_heads=request.param)))


def by_transformers(model: Llava, dialogue: Dialogue, image: EncodedImage) -> Outcome:
    """Outcome of a dialogue, each query in one masked sequence of its own."""

    def answer(ask: Ask) -> Reply:
        prepared = prepare(model, ask)
        assert not ask.dropped, "the image runs whole"
        prompt = model.tokenize(ask.query.text)
        logits, scores = masked_sequence(model, prompt, image, ask.hidden, prepared.rows)
        probs = logits.softmax(dim=-1)
        shown = {letter: float(probs[model.option_id(letter)]) for letter in ask.options}
        letter = max(shown, key=lambda letter: shown[letter])
        return Reply(letter, letter, shown, scores)

    return run_dialogue(dialogue, answer)


@torch.inference_mode()
def masked_sequence(
    model: Llava, prompt: Prompt, image: Any, hidden: Sequence[int], rows: Sequence[int]
) -> tuple[torch.Tensor, tuple[float, ...] | None]:
    llama = model.language_model
    embeds = model.splice([prompt], image.features[None])
    length, first, end = embeds.shape[1], prompt.image_position, image.num_tokens - 1
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    visible[first + image.num_tokens :, [first + token for token in hidden]] = False
    llama.set_attn_implementation("eager")
    mask = torch.zeros(length, length).masked_fill(~visible, -1e30)[None, None]
    found = llama(inputs_embeds=embeds, attention_mask=mask, output_attentions=True)
    llama.set_attn_implementation("sdpa")
    if not rows:
        return found.logits[0, -1], None
    to_image = found.attentions[-1][:, :, [row + end for row in rows]]
    scores = visual_token_scores(to_image[..., first : first + image.num_tokens])
    return found.logits[0, -1], tuple(scores[0].tolist())


@pytest.mark.parametrize("run", RUNS[:4], ids=lambda run: run.folder_name)
def test_each_decision_is_that_of_one_masked_sequence_a_query(
    run: MethodRun, model: Llava, images: list[Any]
) -> None:
    for image in images[:4]:
        alone = run_alone(model, dialogue_of(run, image), image)
        plain = by_transformers(model, dialogue_of(run, image), image)
        assert alone.coarse
        assert plain.coarse
        if alone.coarse.reply.letter:  # else its text was read, or could not be
            assert (alone.dropped, alone.offered) == (plain.dropped, plain.offered)
            assert alone.coarse.branch == plain.coarse.branch
            one, other = alone.coarse.reply, plain.coarse.reply
            assert one.probs == pytest.approx(other.probs, abs=1e-5)
            assert one.scores == pytest.approx(other.scores, abs=1e-5)
        assert alone.reply.probs == pytest.approx(plain.reply.probs, abs=1e-5)


@pytest.mark.parametrize("size", [1, 8])
def test_side_by_side_every_run_ends_as_alone(size: int, model: Llava, images: list[Any]) -> None:
    """Once and twice, several β and another method, in batches that share each image's prefix."""
    outcomes = list(beside_and_alone(model, RUNS, images, size))
    assert len(outcomes) == len(RUNS) * len(images)
    for beside, alone in outcomes:
        assert_same_row(beside, alone)


def test_an_image_is_prefilled_once_whatever_runs_about_it(
    model: Llava, images: list[Any], computed: Counter[str]
) -> None:
    dialogues = [(i, dialogue_of(run, images[i])) for run in RUNS[:4] for i in range(len(images))]
    batched = Batcher(8, print).map
    assert len(dict(run_dialogues(model, dialogues, images, batched, image_once=True))) == 36
    assert computed["images"] == len(images)
    assert "whole prompts" not in computed


def test_fine_queries_of_one_length_run_in_one_pass_whatever_is_hidden_from_each(
    model: Llava, images: list[Any], computed: Counter[str]
) -> None:
    dialogues = [(i, dialogue_of(run, images[i])) for run in RUNS[1:3] for i in range(len(images))]
    batched = Batcher(len(images), print).map
    outcomes = dict(run_dialogues(model, dialogues, images, batched, image_once=True)).values()
    lengths = {len(model.tokenize(outcome.query.text)) for outcome in outcomes}
    assert computed["passes"] == 1 + len(lengths)  # the first is the coarse query's


def test_with_nothing_dropped_once_is_twice(model: Llava, images: list[Any]) -> None:
    for image in images:
        outcomes = [
            run_alone(model, dialogue_of(MethodRun("sepm", config), image), image)
            for config in (replace(ONCE, beta=0), replace(ONCE, beta=0, image_pass="twice"))
        ]
        assert outcomes[0] == outcomes[1]


def test_it_is_a_run_of_its_own_and_no_presets_choice() -> None:
    assert MethodRun("sepm", ONCE).folder_name == "sepm-alpha0.001-image-pass-once"
    assert MethodRun("cci+fp", ONCE) == MethodRun("cci+fp", replace(ONCE, image_pass="twice"))


def test_a_model_that_cannot_hide_tokens_says_so(evaluate: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "sepm.models.llava_and_vila.CAPABILITIES", dict.fromkeys(("llava-1.5", "vila-1.5"), ())
    )
    said = evaluate("--image-pass", "once", status=2).err
    assert "--image-pass once needs shared prefixes, which" in said


def test_an_evaluation_goes_on_where_it_was(evaluate: Any) -> None:
    evaluate("--image-pass", "once", "--batch-size", 2)
    run = evaluate.run("sepm-image-pass-once")
    whole = run.predictions.read_bytes()
    assert run.accuracy()["configuration"]["image_pass"] == "once"
    lines = whole.splitlines(keepends=True)
    run.predictions.write_bytes(b"".join(lines[:2]))
    evaluate("--image-pass", "once", "--batch-size", 2)
    assert run.predictions.read_bytes() == whole
