"""The scheduler of dialogues: each ask once, and a reply for every dialogue that waits for it."""

from dataclasses import replace
from typing import Any

import pytest

from sepm.datasets.tasks import load_taxonomy
from sepm.errors import RunError
from sepm.inference.scheduler import Scheduler
from sepm.inference.shared_images import consecutive
from sepm.method.answers import COARSE_KEY
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply
from sepm.method.prompts import Query, Span, coarse_body
from sepm.models.memory import is_out_of_memory

BODY = coarse_body(load_taxonomy("emoset"))
PLAIN = Ask(Query(BODY), COARSE_KEY.letters, COARSE_KEY)
OTHER = replace(PLAIN, query=Query("Why?"))
SCORED = replace(PLAIN, scored_by=Span(0, 5))
REPLY = Reply("A", "A", {"A": 0.75, "B": 0.25}, scores=(3.0, 1.0))


class NoModel:
    """A tokenizer and nothing else."""

    def tokenize(self, query: str) -> Any:
        return NoModel()

    def positions_of(self, *_: int) -> tuple[int, ...]:
        return ()


def asking(*asks: Ask) -> Dialogue:
    """A dialogue whose outcome carries the last reply."""
    reply = REPLY
    for ask in asks:
        reply = yield ask
    return Outcome(asks[-1].query, reply, asks[-1].options)


def scheduled(*dialogues: tuple[int, Dialogue]) -> Scheduler:
    model: Any = NoModel()
    return Scheduler(model, dialogues)


def open_asks(scheduler: Scheduler, image: int) -> list[Ask]:
    return [prepared.ask for prepared in scheduler.open_asks(image)]


def test_what_two_dialogues_ask_about_one_image_is_asked_once() -> None:
    scheduler = scheduled((0, asking(PLAIN)), (0, asking(OTHER)), (0, asking(PLAIN)))
    assert open_asks(scheduler, 0) == [PLAIN, OTHER]


def test_the_same_ask_about_two_images_is_asked_of_each() -> None:
    scheduler = scheduled((0, asking(PLAIN)), (1, asking(PLAIN)))
    scheduler.reply(0, PLAIN, REPLY)
    assert scheduler.images == [1]
    assert [number for number, _ in scheduler.take_outcomes()] == [0]


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: out of memory"), MemoryError()])
@pytest.mark.parametrize("asks", [False, True])
def test_a_dialogue_that_lacks_memory_ends_the_run_and_is_not_taken_for_a_batch_too_large(
    asks: bool, error: Exception
) -> None:
    def choosing() -> Dialogue:
        if asks:
            yield PLAIN
        raise error

    with pytest.raises(RunError, match="memory does not suffice for what a method") as raised:
        scheduled((0, choosing())).reply(0, PLAIN, REPLY)  # without asks it ends before
    assert not is_out_of_memory(raised.value)


def test_an_ask_without_scores_is_answered_by_the_same_one_with_scores() -> None:
    scheduler = scheduled((0, asking(PLAIN)), (0, asking(SCORED)))
    assert open_asks(scheduler, 0) == [SCORED]
    scheduler.reply(0, SCORED, REPLY)
    replies = {number: outcome.reply for number, outcome in scheduler.take_outcomes()}
    assert replies == {0: replace(REPLY, scores=None), 1: REPLY}


def test_an_ask_with_scores_is_not_answered_by_one_without() -> None:
    scheduler = scheduled((0, asking(PLAIN)), (0, asking(SCORED)))
    scheduler.reply(0, PLAIN, replace(REPLY, scores=None))
    assert open_asks(scheduler, 0) == [SCORED]


def test_dialogues_go_on_to_their_next_ask() -> None:
    scheduler = scheduled((4, asking(PLAIN, OTHER)), (4, asking(PLAIN)))
    scheduler.reply(4, PLAIN, REPLY)
    assert open_asks(scheduler, 4) == [OTHER]
    assert [number for number, _ in scheduler.take_outcomes()] == [1]
    scheduler.reply(4, OTHER, REPLY)
    assert scheduler.images == []
    assert [number for number, _ in scheduler.take_outcomes()] == [0]


def test_texts_are_packed_up_to_the_limit_in_their_order() -> None:
    assert list(consecutive([3, 3, 3, 1], 6)) == [slice(0, 2), slice(2, 4)]


def test_a_text_beyond_the_limit_is_a_pack_of_its_own() -> None:
    assert list(consecutive([2, 9, 2], 6)) == [slice(0, 1), slice(1, 2), slice(2, 3)]
