"""What the model answers to a batch of asks: prompts prefilled, letters or texts read."""

# pyright: standard
# torch's `tolist` is untyped; the other files of the method are checked strictly.

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sepm.method.dialogue import Ask, Reply
from sepm.method.model import Prefill, Prompt, VisionLanguageModel
from sepm.method.significance import kept_tokens, visual_token_scores

MAX_NEW_TOKENS = 128
"""How much of an answer is decoded when its first token is no option letter (section 4)."""


def prompt_and_rows(model: VisionLanguageModel, ask: Ask) -> tuple[Prompt, tuple[int, ...]]:
    """An ask's prompt, and the positions in it whose attention scores the image."""
    prompt = model.tokenize(ask.query.text)
    return prompt, prompt.positions_of(*ask.scored_by) if ask.scored_by else ()


@torch.inference_mode()
def answer_batch(
    model: VisionLanguageModel,
    asks: Sequence[Ask],
    visual_tokens: Sequence[Tensor],
    opening: Any = None,
) -> list[Reply]:
    """Replies to a batch of asks of one length, from one prefill.

    Asks that reduce visual tokens between decoder layers are prefilled one at a time.

    Args:
        model: the model.
        asks: B asks, equal in prompt length, number of dropped tokens, scoring rows and reduction.
        visual_tokens: float[N, D] of each image, whole.
        opening: of all prompts, where the model is a `PrefixSharingModel`.
    """
    shown = [
        tokens[kept_tokens(ask.dropped, len(tokens))] if ask.dropped else tokens
        for ask, tokens in zip(asks, visual_tokens, strict=True)
    ]
    if asks[0].reduction is not None:
        return [_answer_reduced(model, a, t) for a, t in zip(asks, shown, strict=True)]
    prompts = [model.tokenize(ask.query.text) for ask in asks]
    _, rows = prompt_and_rows(model, asks[0])
    behind = {} if opening is None else {"opening": opening}
    prefill = model.prefill(prompts, torch.stack(shown), attention_rows=rows, **behind)
    return read_replies(model, prefill, asks, len(shown[0]))


def _answer_reduced(model: VisionLanguageModel, ask: Ask, visual_tokens: Tensor) -> Reply:
    """The reply to an ask that reduces visual tokens between decoder layers."""
    assert ask.reduction is not None, "only such asks come here"
    prompt = model.tokenize(ask.query.text)
    reduced = ask.reduction.prefill(model, prompt, visual_tokens)
    (reply,) = read_replies(model, reduced.prefill, [ask], len(visual_tokens))
    return replace(reply, visual_token_counts=reduced.visual_token_counts)


def read_replies(
    model: VisionLanguageModel, prefill: Prefill, asks: Sequence[Ask], num_visual_tokens: int
) -> list[Reply]:
    """What a prefill of B asks answers, with scores where it has attention.

    The first token decides if it is an option letter of the key; only the answers that begin
    otherwise are decoded and read as text.
    """
    texts = _read_texts(model, prefill, asks)
    probs = prefill.logits.softmax(dim=-1)  # [B, V], over the whole vocabulary (Eq. 3)
    replies = [
        Reply(
            letter=text if text in ask.key.letters else ask.key.read(text),
            text=text,
            probs={x: float(row[model.option_id(x)]) for x in ask.options},
        )
        for ask, text, row in zip(asks, texts, probs.cpu(), strict=True)
    ]
    if prefill.attentions is None:
        return replies
    prompt, _ = prompt_and_rows(model, asks[0])
    scores = visual_token_scores(prefill.attentions, prompt.image_position, num_visual_tokens)
    return [
        replace(reply, scores=tuple(row))
        for reply, row in zip(replies, scores.tolist(), strict=True)
    ]


def _read_texts(model: VisionLanguageModel, prefill: Prefill, asks: Sequence[Ask]) -> list[str]:
    """Each answer's text: the letter itself where the first token is one, else decoded."""
    texts: dict[int, str] = {}
    first_tokens = prefill.logits.argmax(dim=-1).tolist()
    for row, (ask, token) in enumerate(zip(asks, first_tokens, strict=True)):
        letters = {model.option_id(letter): letter for letter in ask.key.letters}
        if token in letters:
            texts[row] = letters[token]
    others = [row for row in range(len(asks)) if row not in texts]
    if others:
        texts.update(zip(others, model.decode(prefill, others, MAX_NEW_TOKENS), strict=True))
    return [texts[row] for row in range(len(asks))]
