"""Images about which several asks are open: each is computed once, the asks' texts behind it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sepm.inference.answering import prompt_and_rows, read_replies
from sepm.method.dialogue import Ask, Reply
from sepm.models.protocol import PrefixSharingModel

PACK_IDS = 512
"""So many ids behind an image run in one pass at most, or a single text: about as many as the image
has visual tokens, so a pass needs no more memory than a plain prefill."""

Asked = Mapping[int, Sequence[Ask]]
"""What is asked about each image."""


class SharedImages:
    """Some whole images, computed up to their end.

    Args:
        model: the model.
        opening: of all prompts.
        visual_tokens: float[N, D] of each image, whole.
    """

    def __init__(
        self, model: PrefixSharingModel, opening: Any, visual_tokens: Mapping[int, Tensor]
    ) -> None:
        self._model = model
        self._rows = {image: row for row, image in enumerate(visual_tokens)}
        tokens = torch.stack(list(visual_tokens.values()))  # [B, N, D]
        self._num_visual_tokens = tokens.shape[1]
        self._prefix = model.prefix(opening, tokens)

    def answer(self, asked: Asked) -> Iterator[tuple[int, Ask, Reply]]:
        """Image, ask and reply of all that is asked."""
        for images, asks in self._packs(asked):
            for image_asks, replies in zip(asks, self._answer_pack(images, asks), strict=True):
                yield from zip(images, image_asks, replies, strict=True)

    def _packs(self, asked: Asked) -> Iterator[tuple[list[int], list[list[Ask]]]]:
        """What runs together: B images, and K asks [K][B] about each.

        Images go together whose asks are alike in length and scoring rows.
        """
        alike: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        for image, asks in asked.items():
            prompts = [prompt_and_rows(self._model, ask) for ask in asks]
            alike[tuple((len(prompt), rows) for prompt, rows in prompts)].append(image)
        for images in alike.values():
            rows = [list(row) for row in zip(*(asked[i] for i in images), strict=True)]
            lengths = [self._text_length(row[0]) for row in rows]
            for part in consecutive(lengths, PACK_IDS):
                yield images, rows[part]

    def _text_length(self, ask: Ask) -> int:
        """How many ids stand behind the image."""
        prompt, _ = prompt_and_rows(self._model, ask)
        return len(prompt) - prompt.image_position - 1

    def _answer_pack(
        self, images: Sequence[int], asks: Sequence[Sequence[Ask]]
    ) -> list[list[Reply]]:
        """Replies [K][B] to asks [K][B], from one pass behind the prefix."""
        model = self._model
        prefills = model.prefill_behind(
            self._prefix,
            [self._rows[image] for image in images],
            [[model.tokenize(ask.query.text) for ask in alike] for alike in asks],
            [prompt_and_rows(model, alike[0])[1] for alike in asks],
        )
        return [
            read_replies(model, prefill, alike, self._num_visual_tokens)
            for prefill, alike in zip(prefills, asks, strict=True)
        ]


def consecutive(lengths: Sequence[int], limit: int) -> Iterator[slice]:
    """Slices that part a sequence into runs of `limit` length at most, or of a single item."""
    start, total = 0, 0
    for index, length in enumerate(lengths):
        if index > start and total + length > limit:
            yield slice(start, index)
            start, total = index, 0
        total += length
    yield slice(start, len(lengths))
