"""One dialogue about one image by itself: the plain way, and the measure of every faster one."""

from collections.abc import Callable
from functools import partial

from sepm.inference.answering import answer_batch, prepare
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply
from sepm.models.protocol import EncodedImage, VisionLanguageModel


def run_alone(model: VisionLanguageModel, dialogue: Dialogue, image: EncodedImage) -> Outcome:
    """Outcome of a dialogue, each ask a prefill of its own that shares nothing."""
    return run_dialogue(dialogue, partial(answer_alone, model, image))


def run_dialogue(dialogue: Dialogue, answer: Callable[[Ask], Reply]) -> Outcome:
    """Outcome of a dialogue whose asks are answered one after the other."""
    ask = next(dialogue)
    while True:
        reply = answer(ask)
        try:
            ask = dialogue.send(reply)
        except StopIteration as stop:
            return stop.value


def answer_alone(model: VisionLanguageModel, image: EncodedImage, ask: Ask) -> Reply:
    """The model's reply to one ask about one image, from a prefill of its own."""
    (reply,) = answer_batch(model, [prepare(model, ask)], [image])
    return reply
