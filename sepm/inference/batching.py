"""Many dialogues side by side: in batches of equal length, so that nothing is padded.

All prompts open with the same text, up to the image, which is computed once. What several dialogues
ask about one whole image shares a longer prefix (that text and the image): it too is computed once,
and their texts run behind it. What is asked of an image that lost visual tokens is a prefill of its
own behind the opening. So is what one dialogue alone asks: its stages fill whole batches of equal
length that way, and nothing of an image has to be kept between them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from sepm.inference.answering import answer_batch, prompt_and_rows
from sepm.inference.pending import Desk
from sepm.inference.shared_images import SharedImages
from sepm.method.dialogue import Ask, Dialogue, Outcome
from sepm.models.protocol import PrefixSharingModel, VisionLanguageModel

Batched = Callable[..., Iterable[Any]]
"""`batched(function, *columns)`: a function's results over columns, applied batch by batch."""


def run_dialogues(
    model: VisionLanguageModel,
    dialogues: Sequence[tuple[int, Dialogue]],
    visual_tokens: Sequence[Tensor],
    batched: Batched,
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes of the dialogues as they finish, each with its place in the sequence.

    What several dialogues ask about one image is answered once. Order and grouping depend on the
    arguments alone.

    Args:
        model: answers.
        dialogues: each with the index of its image.
        visual_tokens: float[N, D] of each image, whole; one N for all.
        batched: decides how much goes into one batch; one that failed it may do again with less.
    """
    desk = Desk(dialogues)
    opening = None
    while desk.images:
        if opening is None:
            opening = _opening(model, desk)
        if isinstance(model, PrefixSharingModel):
            asked = _whole_asks(desk, desk.images)
            shared = [image for image, asks in asked.items() if len(asks) > 1]
            answer = partial(_answer_shared, model, opening, desk, visual_tokens)
            for _ in batched(answer, shared):
                yield from desk.take_outcomes()
        answer_alone = partial(answer_batch, model, opening=opening)
        rest = [(image, ask) for image in desk.images for ask in desk.asked(image)]
        for group in equal_length_groups(model, rest):
            tokens = [visual_tokens[image] for image, _ in group]
            replies = batched(answer_alone, [ask for _, ask in group], tokens)
            for (image, ask), reply in zip(group, replies, strict=True):
                desk.reply(image, ask, reply)
                yield from desk.take_outcomes()


def equal_length_groups(
    model: VisionLanguageModel, asked: Iterable[tuple[int, Ask]]
) -> list[list[tuple[int, Ask]]]:
    """Asks grouped by prompt length, dropped tokens' number, scoring rows and reduction."""
    groups: defaultdict[tuple[object, ...], list[tuple[int, Ask]]] = defaultdict(list)
    for image, ask in asked:
        prompt, rows = prompt_and_rows(model, ask)
        groups[len(prompt), len(ask.dropped), rows, ask.reduction].append((image, ask))
    return list(groups.values())


def _opening(model: VisionLanguageModel, desk: Desk) -> Any:
    """What all prompts open with; None where the model cannot share it, or no ask would."""
    asks = (ask for image in desk.images for ask in desk.asked(image) if ask.reduction is None)
    ask = next(asks, None)
    if ask is None or not isinstance(model, PrefixSharingModel):
        return None
    prompt, _ = prompt_and_rows(model, ask)
    return model.opening(prompt)


def _whole_asks(desk: Desk, images: Iterable[int]) -> dict[int, list[Ask]]:
    """What is asked about images that are whole, so that it can share their prefix, by image."""
    asked = {
        image: [ask for ask in desk.asked(image) if not ask.dropped and ask.reduction is None]
        for image in images
    }
    return {image: asks for image, asks in asked.items() if asks}


def _answer_shared(
    model: PrefixSharingModel,
    opening: Any,
    desk: Desk,
    visual_tokens: Sequence[Tensor],
    images: Sequence[int],
) -> list[None]:
    """Answer what is asked about some whole images until nothing more is; a None for each.

    Their prefix lives only meanwhile, so memory does not grow with the number of dialogues. Where
    this is done again after it failed, what was answered before stays answered.
    """
    if asked := _whole_asks(desk, images):
        shared = SharedImages(model, opening, {image: visual_tokens[image] for image in asked})
        while asked:
            for image, ask, reply in shared.answer(asked):
                desk.reply(image, ask, reply)
            asked = _whole_asks(desk, images)
    return [None] * len(images)
