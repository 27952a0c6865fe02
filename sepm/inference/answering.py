"""Answers of the model to a batch of asks: prompts prefilled, letters or texts read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from sepm.method.dialogue import Ask, Reply
from sepm.method.dropping import visual_token_scores
from sepm.models.protocol import (
    EncodedImage,
    Prefill,
    PrefixSharingModel,
    Prompt,
    VisionLanguageModel,
)

MAX_NEW_TOKENS = 128
"""Tokens decoded at most, where no leading option letter decides."""
SETS_OFF = (".", ")", ":", ",", "\n", "\r")
"""Marks that set a leading option letter off from the text after it."""


@dataclass(frozen=True)
class PreparedAsk:
    """An ask, ready to be prefilled."""

    ask: Ask
    prompt: Prompt
    rows: tuple[int, ...]
    """Positions in the prompt whose attention scores the image."""

    @property
    def shape(self) -> tuple[object, ...]:
        """Asks of one shape, about images of one shape, can be prefilled together."""
        ask = self.ask
        without = len(ask.dropped), len(ask.hidden)
        return self.prompt.num_text_tokens, without, self.rows, ask.reduction


def prepare(model: VisionLanguageModel, ask: Ask) -> PreparedAsk:
    """Tokenize an ask, and find the rows that score the image."""
    prompt: Prompt = model.tokenize(ask.query.text)
    return PreparedAsk(ask, prompt, prompt.positions_of(*ask.scored_by) if ask.scored_by else ())


@torch.inference_mode()
def answer_batch(
    model: VisionLanguageModel,
    asks: Sequence[PreparedAsk],
    images: Sequence[EncodedImage],
    text_prefix: Any = None,
) -> list[Reply]:
    """Replies to a batch of asks, from one prefill.

    Asks that reduce visual tokens between decoder layers are prefilled one at a time.

    Args:
        asks: B asks of one shape.
        images: B images of one shape.
        text_prefix: of all prompts, where the model is a `PrefixSharingModel`.
    """
    if asks[0].ask.reduction is not None:
        return [_answer_reduced(model, *pair) for pair in zip(asks, images, strict=True)]
    prompts, rows = [ask.prompt for ask in asks], asks[0].rows
    if asks[0].ask.hidden:
        assert isinstance(model, PrefixSharingModel), "a method asks for that capability"
        prefix = model.image_prefix(text_prefix or model.text_prefix(prompts[0]), images)
        every, hidden = range(len(images)), [ask.ask.hidden for ask in asks]
        (prefill,) = model.prefill_with_prefix(prefix, every, [prompts], [rows], [hidden])
    else:
        shared = {} if text_prefix is None else {"text_prefix": text_prefix}
        dropped = [ask.ask.dropped for ask in asks]
        prefill = model.prefill(prompts, images, dropped, rows, **shared)
    return read_replies(model, prefill, [ask.ask for ask in asks])


def _answer_reduced(
    model: VisionLanguageModel, prepared: PreparedAsk, image: EncodedImage
) -> Reply:
    """Reply to an ask that reduces visual tokens between decoder layers."""
    ask = prepared.ask
    assert ask.reduction is not None, "only such asks come here"
    reduced = ask.reduction.prefill(model, prepared.prompt, image)
    (reply,) = read_replies(model, reduced.prefill, [ask])
    return replace(reply, visual_token_counts=reduced.visual_token_counts)


def read_replies(model: VisionLanguageModel, prefill: Prefill, asks: Sequence[Ask]) -> list[Reply]:
    """Replies that a prefill of B asks gives, with scores where it has attention."""
    letters = _leading_letters(model, prefill, asks)
    unset = [row for row, letter in enumerate(letters) if letter is None]
    decoded = model.decode(prefill, unset, MAX_NEW_TOKENS) if unset else []
    texts = dict(zip(unset, decoded, strict=True))
    probs = prefill.logits.softmax(dim=-1)  # [B, V], over the whole vocabulary (Eq. 3)
    replies: list[Reply] = []
    for row, (ask, letter, of_row) in enumerate(zip(asks, letters, probs.cpu(), strict=True)):
        text = letter or texts[row]
        read = letter or ask.key.read(text)
        how = "letter" if letter else "text" if read else None
        shown = {x: float(of_row[model.option_id(x)]) for x in ask.options}
        replies.append(Reply(read, text, shown, read=how))
    if prefill.attentions is None:
        return replies
    scores = visual_token_scores(prefill.attentions).tolist()
    return [replace(r, scores=tuple(row)) for r, row in zip(replies, scores, strict=True)]


def _leading_letters(
    model: VisionLanguageModel, prefill: Prefill, asks: Sequence[Ask]
) -> list[str | None]:
    """Each answer's first token where it is an option letter that stands for itself.

    It does where the answer ends with it, or the second greedy token sets it off. Otherwise it
    begins a word or a sentence: with LLaMA's tokenizer "Fear" begins with the token of F.
    """
    letters = [
        {model.option_id(letter): letter for letter in ask.key.letters}.get(token)
        for ask, token in zip(asks, prefill.logits.argmax(dim=-1).tolist(), strict=True)
    ]
    rows = [row for row, letter in enumerate(letters) if letter]
    if rows:
        for row, follows in zip(rows, model.second_tokens(prefill, rows), strict=True):
            if follows is not None and not follows.startswith(SETS_OFF):
                letters[row] = None
    return letters
