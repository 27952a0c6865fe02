"""Dialogues side by side end as each does alone, whatever is shared and wherever memory runs out.

The model here is a stand-in that answers by chance, but each prompt about each image always alike;
so answers are compared exactly, and every one of its passes can be the one that fails.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, NamedTuple
from zlib import crc32

import pytest
import torch
from torch import Tensor

from llava.prompt import IMAGE_TOKEN_ID, Prompt
from sepm.baselines.single_query import single_query
from sepm.datasets.tasks import load_taxonomy
from sepm.inference import batching, shared_images
from sepm.inference.answering import answer_batch
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.inference.shared_images import SharedImages
from sepm.method.answers import COARSE_KEY
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Sample
from sepm.method.prompts import Query, Span
from sepm.models.protocol import PrefixSharingModel, ReducedPrefill
from sepm.registry import METHODS

EMOSET = load_taxonomy("emoset")
LETTERS = "ABCDEFGH"
VISUAL_TOKENS = [torch.arange(10.0)[:, None] + 10 * image for image in range(4)]
CONFIG = MethodConfig(alpha=0.001)
JOBS = [
    *((METHODS[name].recipe, CONFIG) for name in METHODS if name != "sparsevlm"),
    (METHODS["sepm"].recipe, replace(CONFIG, drop="query")),
    (METHODS["sepm"].recipe, replace(CONFIG, drop="random")),
    (METHODS["sepm"].recipe, replace(CONFIG, beta=0.0)),
]


class Prefilled(NamedTuple):
    """A `Prefill`, what follows each row's first token, and what its rows say if decoded."""

    logits: Tensor
    attentions: Tensor | None
    follows: list[str | None]
    texts: list[str]


class ChanceModel:
    """Answers that the prompt and the visual tokens shown determine; some passes may fail.

    Args:
        failing: the numbers of the passes that run out of memory, from 1.
    """

    def __init__(self, failing: Sequence[int] = ()) -> None:
        self.failing = failing
        self.passes = 0
        self.may_fail = False
        self.openings = 0
        self.opened_with: list[Sequence[int] | None] = []  # of each prefill
        self.packs: list[tuple[int, int]] = []  # texts and images of each pass behind a prefix

    def encode(self, pixel_values: Tensor) -> Tensor:
        raise NotImplementedError("images come encoded")

    def tokenize(self, query: str) -> Prompt:
        spans = [(i, i + 1) for i in range(len(query))]
        return Prompt((1, 2, IMAGE_TOKEN_ID, *map(ord, query)), (None, None, None, *spans))

    def option_id(self, option_letter: str) -> int:
        return LETTERS.index(option_letter)

    def prefill(
        self,
        prompts: Sequence[Prompt],
        visual_tokens: Tensor,
        attention_rows: Sequence[int] = (),
        opening: Sequence[int] | None = None,
    ) -> Prefilled:
        self._pass()
        self.opened_with.append(opening)
        return _answers(prompts, visual_tokens, attention_rows)

    def opening(self, prompt: Prompt) -> Sequence[int]:
        self.openings += 1
        return prompt.input_ids[: prompt.image_position]

    def prefix(self, opening: Sequence[int], visual_tokens: Tensor) -> Tensor:
        self._pass()
        return visual_tokens

    def prefill_behind(
        self,
        prefix: Tensor,
        images: Sequence[int],
        prompts: Sequence[Sequence[Prompt]],
        attention_rows: Sequence[Sequence[int]],
    ) -> list[Prefilled]:
        self._pass()
        self.packs.append((len(prompts), len(images)))
        tokens = prefix[list(images)]
        return [_answers(p, tokens, r) for p, r in zip(prompts, attention_rows, strict=True)]

    def second_tokens(self, prefill: Prefilled, rows: Sequence[int]) -> list[str | None]:
        self._pass()
        return [prefill.follows[row] for row in rows]

    def decode(self, prefill: Prefilled, rows: Sequence[int], max_new_tokens: int) -> list[str]:
        self._pass()
        return [prefill.texts[row] for row in rows]

    def _pass(self) -> None:
        self.passes += self.may_fail
        if self.may_fail and self.passes in self.failing:
            raise torch.OutOfMemoryError("CUDA out of memory.")


def _answers(prompts: Sequence[Prompt], visual_tokens: Tensor, rows: Sequence[int]) -> Prefilled:
    assert len({len(p) for p in prompts}) == 1, "nothing is padded"
    dice = [
        torch.Generator().manual_seed(crc32(f"{p.input_ids} {t.tolist()}".encode()))
        for p, t in zip(prompts, visual_tokens, strict=True)
    ]
    logits = torch.stack([6 * torch.rand(len(LETTERS) + 1, generator=d) for d in dice])
    follows = [(None, ".", "ear")[torch.randint(3, (), generator=d)] for d in dice]
    texts = [f"The answer is {LETTERS[torch.randint(8, (), generator=d)]}." for d in dice]
    shape = (1, len(prompts[0]), prompts[0].image_position + visual_tokens.shape[1])
    attentions = torch.stack([torch.randint(1024, shape, generator=d) / 1024.0 for d in dice])
    return Prefilled(logits, attentions[:, :, list(rows)] if rows else None, follows, texts)


@dataclass(frozen=True)
class EveryOther:
    """A reduction that leaves every other visual token."""

    def prefill(self, model: Any, prompt: Prompt, visual_tokens: Tensor) -> ReducedPrefill:
        prefilled = model.prefill([prompt], visual_tokens[None, ::2])
        return ReducedPrefill(prefilled, (len(visual_tokens), len(visual_tokens[::2])))


def dialogues() -> list[tuple[int, Dialogue]]:
    """Ten methods about four images; several ask the same, some with other scores or none."""
    samples = [(i, Sample(f"{i}.png", len(tokens))) for i, tokens in enumerate(VISUAL_TOKENS)]
    reduced = [
        (i, single_query(s, EMOSET, MethodConfig(), reduction=EveryOther())) for i, s in samples
    ]
    return [
        *((i, recipe(s, EMOSET, config)) for recipe, config in JOBS for i, s in samples),
        *reduced,
    ]


def run(model: ChanceModel) -> tuple[list[tuple[int, Outcome]], int]:
    """What comes of all dialogues, in batches of 4 that halve, and how large batches still are."""
    batcher = Batcher(4, tell=lambda message: None)

    def batched(function: Callable[..., Sequence[Any]], *columns: Sequence[Any]) -> Iterator[Any]:
        def tried(*batch: Sequence[Any]) -> Sequence[Any]:
            model.may_fail = len(batch[0]) > 1  # one image must fit
            return function(*batch)

        return batcher.map(tried, *columns)

    return list(run_dialogues(model, dialogues(), VISUAL_TOKENS, batched)), batcher.size


@pytest.fixture(scope="module")
def alone() -> list[tuple[int, Outcome]]:
    """Each dialogue's outcome where it is the only one."""
    return [
        (place, outcome)
        for place, dialogue in enumerate(dialogues())
        for _, outcome in run_dialogues(
            ChanceModel(), [dialogue], VISUAL_TOKENS, Batcher(1, print).map
        )
    ]


def test_dialogues_side_by_side_end_as_each_does_alone(alone: list[tuple[int, Outcome]]) -> None:
    assert isinstance(ChanceModel(), PrefixSharingModel)
    outcomes, _ = run(ChanceModel())
    assert sorted(outcomes, key=lambda one: one[0]) == alone


def test_a_model_that_shares_no_prefixes_ends_them_alike(
    alone: list[tuple[int, Outcome]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "PrefixSharingModel", int)  # which no model is
    model = ChanceModel()
    outcomes, _ = run(model)
    assert sorted(outcomes, key=lambda one: one[0]) == alone
    assert model.packs == []
    assert model.openings == 0


def test_the_text_before_the_image_runs_once_for_every_prompt_that_is_not_reduced() -> None:
    model = ChanceModel()
    run(model)
    assert model.openings == 1
    assert model.opened_with.count(None) == len(VISUAL_TOKENS)  # `EveryOther` prefills by itself
    assert set(model.opened_with) == {None, (1, 2)}


def test_the_dialogues_take_every_branch_and_some_answers_are_decoded(
    alone: list[tuple[int, Outcome]],
) -> None:
    """Without which the tests here would not say much."""
    coarse = [outcome.coarse for _, outcome in alone if outcome.coarse]
    assert {c.branch for c in coarse} == {"positive", "negative", "ambiguous"}
    texts = {outcome.reply.text for _, outcome in alone} | {c.reply.text for c in coarse}
    assert {len(text) > 1 for text in texts} == {True, False}


@pytest.mark.parametrize("in_a_row", [1, 2])
def test_memory_may_run_out_in_any_pass_and_every_outcome_comes_once(
    in_a_row: int, alone: list[tuple[int, Outcome]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "collect", int)  # there is nothing to free, and it takes long
    for first in count(1):
        model = ChanceModel(failing=range(first, first + in_a_row))
        outcomes, size = run(model)
        assert sorted(outcomes, key=lambda one: one[0]) == alone, f"pass {first} failed"
        if model.passes < first:
            assert first > 20, "the passes were counted"
            return
        assert size < 4, f"pass {first} did not fail"


def ask(text: str, scored_by: Span | None = None) -> Ask:
    return Ask(Query(text), ("A", "B"), COARSE_KEY, scored_by=scored_by)


def answers_to(model: ChanceModel, asked: Mapping[int, Sequence[Ask]]) -> list[tuple]:
    """What the images' shared prefix gives, ordered by image and query."""
    opening = model.opening(model.tokenize("any"))
    shared = SharedImages(model, opening, {image: VISUAL_TOKENS[image] for image in asked})
    return sorted(shared.answer(asked), key=lambda one: (one[0], one[1].query.text))


def test_texts_of_one_length_that_are_scored_by_other_rows_keep_their_own() -> None:
    asked = {1: [ask("Why so?", Span(0, 3))], 3: [ask("So why?", Span(0, 2))]}
    assert answers_to(ChanceModel(), asked) == [
        (image, asks[0], answer_batch(ChanceModel(), asks, [VISUAL_TOKENS[image]])[0])
        for image, asks in asked.items()
    ]


def test_images_with_asks_of_equal_lengths_run_in_one_pass() -> None:
    model = ChanceModel()
    alike = [ask("What is it?"), ask("Why? Step by step.")]
    answers_to(model, {0: alike, 1: [ask("And this?")], 2: alike, 3: alike})
    assert model.packs == [(2, 3), (1, 1)]


@pytest.mark.parametrize(
    ("limit", "packs"), [(4, [(1, 1)] * 3), (12, [(2, 1), (1, 1)]), (15, [(3, 1)])]
)
def test_a_pack_holds_as_many_ids_behind_the_image_as_the_limit(
    limit: int, packs: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_images, "PACK_IDS", limit)
    model = ChanceModel()
    answers_to(model, {0: [ask("12345"), ask("1234567"), ask("123")]})
    assert model.packs == packs
