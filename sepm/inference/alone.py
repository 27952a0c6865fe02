"""One dialogue about one image by itself: the plain way, and the measure of every faster one."""

from sepm.inference.answering import answer_batch, prepare
from sepm.method.dialogue import Dialogue, Outcome
from sepm.models.protocol import EncodedImage, VisionLanguageModel


def run_alone(model: VisionLanguageModel, dialogue: Dialogue, image: EncodedImage) -> Outcome:
    """Outcome of a dialogue, each ask a prefill of its own that shares nothing."""
    ask = next(dialogue)
    while True:
        (reply,) = answer_batch(model, [prepare(model, ask)], [image])
        try:
            ask = dialogue.send(reply)
        except StopIteration as stop:
            return stop.value
