"""Images with several open asks: each image is computed once, the asks' texts behind it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sepm.inference.answering import PreparedAsk, read_replies
from sepm.method.dialogue import Ask, Reply
from sepm.models.protocol import EncodedImage, PrefixSharingModel

PACKED_TOKENS = 512
"""Text tokens that run behind an image in one pass at most, or a single text: about as many as the
image has visual tokens, so that a pass needs no more memory than a plain prefill."""

OpenAsks = Mapping[int, Sequence[PreparedAsk]]
"""Open asks about each image."""


class SharedImages:
    """Some whole images of one shape, computed up to their end.

    Args:
        text_prefix: of all prompts.
        images: encoded, by their index.
    """

    def __init__(
        self, model: PrefixSharingModel, text_prefix: Any, images: Mapping[int, EncodedImage]
    ) -> None:
        self._model = model
        self._rows = {image: row for row, image in enumerate(images)}
        self._prefix = model.image_prefix(text_prefix, list(images.values()))

    def answer(self, open_asks: OpenAsks) -> Iterator[tuple[int, Ask, Reply]]:
        """Image, ask and reply of every ask."""
        for images, asks in _packs(open_asks):
            for image_asks, replies in zip(asks, self._answer_pack(images, asks), strict=True):
                for image, prepared, reply in zip(images, image_asks, replies, strict=True):
                    yield image, prepared.ask, reply

    def _answer_pack(
        self, images: Sequence[int], asks: Sequence[Sequence[PreparedAsk]]
    ) -> list[list[Reply]]:
        """Replies [K][B] to asks [K][B], from one pass with the images' prefix."""
        prefills = self._model.prefill_with_prefix(
            self._prefix,
            [self._rows[image] for image in images],
            [[ask.prompt for ask in alike] for alike in asks],
            [alike[0].rows for alike in asks],
            [[ask.ask.hidden for ask in alike] for alike in asks],
        )
        return [
            read_replies(self._model, prefill, [ask.ask for ask in alike])
            for prefill, alike in zip(prefills, asks, strict=True)
        ]


def _packs(open_asks: OpenAsks) -> Iterator[tuple[list[int], list[list[PreparedAsk]]]]:
    """Packs that run together: B images, and K asks [K][B] about each.

    Images go together whose asks are alike in shape.
    """
    alike: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for image, asks in open_asks.items():
        alike[tuple(ask.shape for ask in asks)].append(image)
    for images in alike.values():
        asks = [list(row) for row in zip(*(open_asks[i] for i in images), strict=True)]
        lengths = [row[0].prompt.num_tokens_after_image for row in asks]
        yield from ((images, asks[part]) for part in consecutive(lengths, PACKED_TOKENS))


def consecutive(lengths: Sequence[int], limit: int) -> Iterator[slice]:
    """Slices that part a sequence into runs of `limit` length at most, or of a single item."""
    start, total = 0, 0
    for index, length in enumerate(lengths):
        if index > start and total + length > limit:
            yield slice(start, index)
            start, total = index, 0
        total += length
    yield slice(start, len(lengths))
