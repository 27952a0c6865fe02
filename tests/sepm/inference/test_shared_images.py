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

from sepm.baselines.single_query import single_query
from sepm.datasets.tasks import load_taxonomy
from sepm.inference import batching, shared_images
from sepm.inference.answering import answer_batch, prepare
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.inference.shared_images import SharedImages
from sepm.inference.unbatched import run_alone
from sepm.method.answers import COARSE_KEY
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, ReducedPrefill, Sample
from sepm.method.prompts import Query, Span
from sepm.models.protocol import PrefixSharingModel
from sepm.registry import METHODS, MethodRun

EMOSET = load_taxonomy("emoset")
LETTERS = "ABCDEFGH"
CONFIG = MethodConfig(alpha=0.001)
RUNS = [
    *(MethodRun(name, CONFIG) for name in METHODS if name != "sparsevlm"),
    MethodRun("sepm", replace(CONFIG, drop="query")),
    MethodRun("sepm", replace(CONFIG, drop="random")),
    MethodRun("sepm", replace(CONFIG, beta=0.0)),
    MethodRun("sepm", replace(CONFIG, beta=0.4, image_pass="once")),
]


@dataclass(frozen=True)
class Encoded:
    """An image as `ChanceModel` has it: a number for each visual token."""

    tokens: tuple[float, ...]

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    @property
    def shape(self) -> int:
        return len(self.tokens)

    tiles = None


@dataclass(frozen=True)
class Text:
    """A prompt as `ChanceModel` has it: a token for each character, two before the image."""

    query: str

    @property
    def num_text_tokens(self) -> int:
        return 2 + len(self.query)

    @property
    def num_tokens_after_image(self) -> int:
        return len(self.query)

    def positions_of(self, start: int, end: int, skip: int = 0) -> tuple[int, ...]:
        return tuple(range(3 + start + skip, 3 + end))


IMAGES = [
    Encoded(tuple(map(float, range(10 * i, 10 * i + n)))) for i, n in enumerate((10, 7, 10, 7, 10))
]
"""Images of two sizes, as a model may have them."""


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
        self.prompt_format: dict[str, Any] = {}
        self.failing = failing
        self.passes = 0
        self.may_fail = False
        self.text_runs = 0
        self.text_prefixes: list[str | None] = []  # of each prefill
        self.packs: list[tuple[int, int]] = []  # texts and images of each pass with a prefix

    device = "cpu"
    max_positions, max_visual_tokens = 512, 10
    visual_grid = None

    def preprocess(self, image: Any) -> Any:
        raise NotImplementedError("images come encoded")

    def encode(self, inputs: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError("images come encoded")

    def tokenize(self, query: str) -> Text:
        return Text(query)

    def render(self, query: str) -> str:
        return query

    def option_id(self, option_letter: str) -> int:
        return LETTERS.index(option_letter)

    def prefill(
        self,
        prompts: Sequence[Text],
        images: Sequence[Encoded],
        dropped: Sequence[Sequence[int]],
        rows: Sequence[int] = (),
        text_prefix: str | None = None,
    ) -> Prefilled:
        self._pass()
        self.text_prefixes.append(text_prefix)
        return _answers(prompts, images, dropped, rows)

    def text_prefix(self, prompt: Text) -> str:
        self.text_runs += 1
        return "text"

    def image_prefix(self, text_prefix: str, images: Sequence[Encoded]) -> Sequence[Encoded]:
        self._pass()
        return images

    def prefill_with_prefix(
        self,
        image_prefix: Sequence[Encoded],
        indices: Sequence[int],
        prompts: Sequence[Sequence[Text]],
        rows: Sequence[Sequence[int]],
        hidden: Sequence[Sequence[Sequence[int]]] = (),
    ) -> list[Prefilled]:
        self._pass()
        self.packs.append((len(prompts), len(indices)))
        images = [image_prefix[index] for index in indices]
        unseen = hidden or [[()] * len(images)] * len(prompts)
        asks = zip(prompts, unseen, rows, strict=True)
        return [_answers(alike, images, gone, wanted) for alike, gone, wanted in asks]

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


def _answers(
    prompts: Sequence[Text],
    images: Sequence[Encoded],
    dropped: Sequence[Sequence[int]],
    rows: Sequence[int],
) -> Prefilled:
    shown = [
        [token for index, token in enumerate(image.tokens) if index not in gone]
        for image, gone in zip(images, dropped, strict=True)
    ]
    assert len({len(p.query) for p in prompts}) == 1, "nothing is padded"
    assert len(set(map(len, shown))) == 1, "nothing is padded"
    dice = [
        torch.Generator().manual_seed(crc32(f"{p.query} {tokens}".encode()))
        for p, tokens in zip(prompts, shown, strict=True)
    ]
    logits = torch.stack([6 * torch.rand(len(LETTERS) + 1, generator=d) for d in dice])
    follows = [(None, ".", "ear")[torch.randint(3, (), generator=d)] for d in dice]
    texts = [f"The answer is {LETTERS[torch.randint(8, (), generator=d)]}." for d in dice]
    shape = (1, 3 + len(prompts[0].query), len(shown[0]))
    attentions = torch.stack([torch.randint(1024, shape, generator=d) / 1024.0 for d in dice])
    return Prefilled(logits, attentions[:, :, list(rows)] if rows else None, follows, texts)


@dataclass(frozen=True)
class EveryOther:
    """A reduction that leaves every other visual token."""

    def prefill(self, model: Any, prompt: Any, image: Any) -> ReducedPrefill:
        odd = range(1, image.num_tokens, 2)
        prefilled = model.prefill([prompt], [image], [odd])
        return ReducedPrefill(prefilled, (image.num_tokens, image.num_tokens - len(odd)))


def dialogues() -> list[tuple[int, Dialogue]]:
    """Eleven methods about five images; several ask the same, some with other scores or none."""
    samples = [(i, Sample(f"{i}.png", image.num_tokens)) for i, image in enumerate(IMAGES)]
    reduced = [
        (i, single_query(s, EMOSET, MethodConfig(), reduction=EveryOther())) for i, s in samples
    ]
    return [
        *((i, run.dialogue(s, EMOSET)) for run in RUNS for i, s in samples),
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

    return list(run_dialogues(model, dialogues(), IMAGES, batched)), batcher.size


@pytest.fixture(scope="module")
def alone() -> list[tuple[int, Outcome]]:
    """Each dialogue's outcome where it is the only one, and nothing is shared."""
    return [
        (number, run_alone(ChanceModel(), dialogue, IMAGES[image]))
        for number, (image, dialogue) in enumerate(dialogues())
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
    assert {texts for texts, _ in model.packs} == {1}  # of the run that hides tokens
    assert set(model.text_prefixes) == {None}


def test_the_text_before_the_image_runs_once_for_every_prompt_that_is_not_reduced() -> None:
    model = ChanceModel()
    run(model)
    assert model.text_runs == 1
    assert model.text_prefixes.count(None) == len(IMAGES)  # `EveryOther` prefills by itself
    assert set(model.text_prefixes) == {None, "text"}


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


def answers_to(model: ChanceModel, asks: Mapping[int, Sequence[Ask]]) -> list[tuple]:
    """Answers with the images' shared prefix, ordered by image and query."""
    prepared = {
        image: [prepare(model, ask) for ask in of_image] for image, of_image in asks.items()
    }
    shared = SharedImages(model, "text", {image: IMAGES[image] for image in asks})
    return sorted(shared.answer(prepared), key=lambda one: (one[0], one[1].query.text))


def test_texts_of_one_length_that_are_scored_by_other_rows_keep_their_own() -> None:
    asked = {1: [ask("Why so?", Span(0, 3))], 3: [ask("So why?", Span(0, 2))]}
    model = ChanceModel()
    assert answers_to(model, asked) == [
        (image, one, answer_batch(model, [prepare(model, one)], [IMAGES[image]])[0])
        for image, (one,) in asked.items()
    ]


def test_images_with_asks_of_equal_lengths_run_in_one_pass() -> None:
    model = ChanceModel()
    alike = [ask("What is it?"), ask("Why? Step by step.")]
    answers_to(model, {0: alike, 2: [ask("And this?")], 4: alike})
    assert model.packs == [(2, 2), (1, 1)]


@pytest.mark.parametrize(
    ("limit", "packs"), [(4, [(1, 1)] * 3), (12, [(2, 1), (1, 1)]), (15, [(3, 1)])]
)
def test_a_pack_holds_as_many_ids_behind_the_image_as_the_limit(
    limit: int, packs: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_images, "PACKED_TOKENS", limit)
    model = ChanceModel()
    answers_to(model, {0: [ask("12345"), ask("1234567"), ask("123")]})
    assert model.packs == packs
