"""What the model answers to a batch of asks: prompts prefilled, letters or texts read."""

# pyright: standard
# torch's `tolist` is untyped; the other files of the method are checked strictly.

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sepm.method.dialogue import Ask, Reply
from sepm.method.significance import kept_tokens, visual_token_scores
from sepm.models.protocol import Prefill, Prompt, VisionLanguageModel

MAX_NEW_TOKENS = 128
"""How much of an answer is decoded where no leading option letter decides."""
SETS_OFF = (".", ")", ":", ",", "\n", "\r")
"""What sets a leading option letter off from the text after it."""


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
    """What a prefill of B asks answers, with scores where it has attention."""
    letters = _leading_letters(model, prefill, asks)
    texts = _decoded_texts(model, prefill, [row for row, x in enumerate(letters) if x is None])
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
    prompt, _ = prompt_and_rows(model, asks[0])
    scores = visual_token_scores(prefill.attentions, prompt.image_position, num_visual_tokens)
    return [
        replace(reply, scores=tuple(row))
        for reply, row in zip(replies, scores.tolist(), strict=True)
    ]


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


def _decoded_texts(
    model: VisionLanguageModel, prefill: Prefill, rows: Sequence[int]
) -> dict[int, str]:
    """The answers of some rows as text, by row."""
    if not rows:
        return {}
    return dict(zip(rows, model.decode(prefill, rows, MAX_NEW_TOKENS), strict=True))
