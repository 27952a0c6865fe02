"""Many dialogues side by side, in batches of equal length, so that nothing is padded.

The text before the image, with which all prompts begin, is computed once. Then there are two cases:

1. Several open asks about one whole image, or a method that prefills the image once: the image too
   is computed once, and the asks' texts run behind it.
2. Everything else, that is a single open ask, or one without its dropped visual tokens: a prefill
   of its own behind that text, in batches.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from sepm.inference.answering import PreparedAsk, answer_batch
from sepm.inference.scheduler import Scheduler
from sepm.inference.shared_images import SharedImages
from sepm.method.dialogue import Dialogue, Outcome
from sepm.models.protocol import EncodedImage, PrefixSharingModel, VisionLanguageModel

Batched = Callable[..., Iterable[Any]]
"""`batched(function, *columns)`: a function's results over columns, applied batch by batch."""


def run_dialogues(
    model: VisionLanguageModel,
    dialogues: Sequence[tuple[int, Dialogue]],
    images: Sequence[EncodedImage],
    batched: Batched,
    *,
    image_once: bool = False,
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes of the dialogues as they finish, each with its number in the sequence.

    An ask that several dialogues have about one image is answered once. Order and grouping depend
    on the arguments alone.

    Args:
        model: answers.
        dialogues: each with the index of its image.
        images: encoded.
        batched: decides how much goes into one batch; one that failed it may do again with less.
        image_once: share every image, since dialogues will ask about it, whole, one by one.
    """
    scheduler = Scheduler(model, dialogues)
    text_prefix = None
    while scheduler.images:
        if isinstance(model, PrefixSharingModel):
            if text_prefix is None:
                text_prefix = _text_prefix(model, scheduler)
            answer = partial(_answer_shared, model, text_prefix, scheduler, images)
            for alike in _alike(_images_to_share(scheduler, 1 if image_once else 2), images):
                for _ in batched(answer, alike):
                    yield from scheduler.take_outcomes()
        answer_alone = partial(answer_batch, model, text_prefix=text_prefix)
        rest = [(image, ask) for image in scheduler.images for ask in scheduler.open_asks(image)]
        for group in _equally_long(rest, images):
            encoded = [images[image] for image, _ in group]
            replies = batched(answer_alone, [ask for _, ask in group], encoded)
            for (image, ask), reply in zip(group, replies, strict=True):
                scheduler.reply(image, ask.ask, reply)
                yield from scheduler.take_outcomes()


def _text_prefix(model: PrefixSharingModel, scheduler: Scheduler) -> Any:
    """The text with which all prompts begin, computed; None where no open ask would use it."""
    asks = (ask for image in scheduler.images for ask in scheduler.open_asks(image))
    ask = next((ask for ask in asks if ask.ask.reduction is None), None)
    return None if ask is None else model.text_prefix(ask.prompt)


def _images_to_share(scheduler: Scheduler, at_least: int) -> list[int]:
    """Images with that many open asks for which the whole image runs."""
    whole = _asks_about_whole(scheduler, scheduler.images)
    return [image for image, asks in whole.items() if len(asks) >= at_least]


def _asks_about_whole(scheduler: Scheduler, images: Iterable[int]) -> dict[int, list[PreparedAsk]]:
    """Open asks for which the whole image runs, and which so can share its prefix, by image."""
    asks = {
        image: [
            ask
            for ask in scheduler.open_asks(image)
            if not ask.ask.dropped and ask.ask.reduction is None
        ]
        for image in images
    }
    return {image: found for image, found in asks.items() if found}


def _alike(indices: Sequence[int], images: Sequence[EncodedImage]) -> list[list[int]]:
    """Indices of images in groups of one shape, which can share a batch."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index in indices:
        groups[images[index].shape].append(index)
    return list(groups.values())


def _equally_long(
    asks: Iterable[tuple[int, PreparedAsk]], images: Sequence[EncodedImage]
) -> list[list[tuple[int, PreparedAsk]]]:
    """Asks, each with its image's index, in groups that can share a prefill."""
    groups: defaultdict[Hashable, list[tuple[int, PreparedAsk]]] = defaultdict(list)
    for image, ask in asks:
        groups[images[image].shape, *ask.shape].append((image, ask))
    return list(groups.values())


def _answer_shared(
    model: PrefixSharingModel,
    text_prefix: Any,
    scheduler: Scheduler,
    images: Sequence[EncodedImage],
    indices: Sequence[int],
) -> list[None]:
    """Answer the asks about some whole images of one shape until none is open; a None for each.

    Their prefix lives only meanwhile, so memory does not grow with the number of dialogues. Where
    this is done again after it failed, replies that were given before stay.
    """
    if asks := _asks_about_whole(scheduler, indices):
        shared = SharedImages(model, text_prefix, {index: images[index] for index in asks})
        while asks:
            for image, ask, reply in shared.answer(asks):
                scheduler.reply(image, ask, reply)
            asks = _asks_about_whole(scheduler, indices)
    return [None] * len(indices)
