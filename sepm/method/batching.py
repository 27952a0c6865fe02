"""Many dialogues side by side: equal-length asks are prefilled together, so nothing is padded."""

# pyright: standard
# torch's `tolist` is untyped; the other files of the method are checked strictly.

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply
from sepm.method.model import Prefill, VisionLanguageModel
from sepm.method.significance import kept_tokens, visual_token_scores

MAX_NEW_TOKENS = 128
"""How much of an answer is decoded when its first token is no option letter (section 4)."""

AnswerGroup = Callable[[Sequence[Ask], Sequence[Tensor]], Iterable[Reply]]


def run_dialogues(
    model: VisionLanguageModel,
    dialogues: Sequence[tuple[int, Dialogue]],
    visual_tokens: Sequence[Tensor],
    answer_group: AnswerGroup,
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes of the dialogues as they finish, each with its place in the sequence.

    The dialogues go forward in rounds; in each, asks of equal length are answered together, and
    what several dialogues ask about one image is answered once. Order and grouping depend on the
    arguments alone.

    Args:
        model: tells the length of each ask.
        dialogues: each with the index of its image.
        visual_tokens: float[N, D] of each image, whole.
        answer_group: answers asks of equal length, in order.
    """
    asks = {place: next(dialogue) for place, (_, dialogue) in enumerate(dialogues)}
    while asks:
        following: dict[int, Ask] = {}
        askers: defaultdict[tuple[int, Ask], list[int]] = defaultdict(list)
        for place, ask in asks.items():
            askers[dialogues[place][0], ask].append(place)
        for group in equal_length_groups(model, askers):
            tokens = [visual_tokens[image] for image, _ in group]
            replies = answer_group([ask for _, ask in group], tokens)
            for asked, reply in zip(group, replies, strict=True):
                for place in askers[asked]:
                    try:
                        following[place] = dialogues[place][1].send(reply)
                    except StopIteration as stop:
                        yield place, stop.value
        asks = following


def equal_length_groups(
    model: VisionLanguageModel, asked: Iterable[tuple[int, Ask]]
) -> list[list[tuple[int, Ask]]]:
    """Asks grouped by prompt length, dropped tokens' number, scoring rows and reduction."""
    groups: defaultdict[tuple[object, ...], list[tuple[int, Ask]]] = defaultdict(list)
    for image, ask in asked:
        prompt = model.tokenize(ask.query.text)
        rows = prompt.positions_of(*ask.scored_by) if ask.scored_by else ()
        groups[len(prompt), len(ask.dropped), rows, ask.reduction].append((image, ask))
    return list(groups.values())


@torch.inference_mode()
def answer_batch(
    model: VisionLanguageModel, asks: Sequence[Ask], visual_tokens: Sequence[Tensor]
) -> list[Reply]:
    """Replies to a batch of asks of one length, from one prefill.

    Asks that reduce visual tokens between decoder layers are prefilled one at a time.

    Args:
        model: the model.
        asks: B asks, equal in prompt length, number of dropped tokens, scoring rows and reduction.
        visual_tokens: float[N, D] of each image, whole.
    """
    shown = [
        tokens[kept_tokens(ask.dropped, len(tokens))] if ask.dropped else tokens
        for ask, tokens in zip(asks, visual_tokens, strict=True)
    ]
    if asks[0].reduction is not None:
        return [_answer_reduced(model, a, t) for a, t in zip(asks, shown, strict=True)]
    prompts = [model.tokenize(ask.query.text) for ask in asks]
    rows = prompts[0].positions_of(*asks[0].scored_by) if asks[0].scored_by else ()
    prefill = model.prefill(prompts, torch.stack(shown), attention_rows=rows)
    replies = _read_replies(model, prefill, asks)
    if prefill.attentions is None:
        return replies
    position, number = prompts[0].image_position, len(shown[0])
    scores = visual_token_scores(prefill.attentions, position, number).tolist()
    return [replace(reply, scores=tuple(row)) for reply, row in zip(replies, scores, strict=True)]


def _answer_reduced(model: VisionLanguageModel, ask: Ask, visual_tokens: Tensor) -> Reply:
    """The reply to an ask that reduces visual tokens between decoder layers."""
    assert ask.reduction is not None, "only such asks come here"
    prompt = model.tokenize(ask.query.text)
    reduced = ask.reduction.prefill(model, prompt, visual_tokens)
    (reply,) = _read_replies(model, reduced.prefill, [ask])
    return replace(reply, visual_token_counts=reduced.visual_token_counts)


def _read_replies(model: VisionLanguageModel, prefill: Prefill, asks: Sequence[Ask]) -> list[Reply]:
    """What a prefill of B asks answers, without scores.

    The first token decides if it is an option letter of the key; only the answers that begin
    otherwise are decoded and read as text.
    """
    texts = _read_texts(model, prefill, asks)
    probs = prefill.logits.softmax(dim=-1)  # [B, V], over the whole vocabulary (Eq. 3)
    return [
        Reply(
            letter=text if text in ask.key.letters else ask.key.read(text),
            text=text,
            probs={x: float(row[model.option_id(x)]) for x in ask.options},
        )
        for ask, text, row in zip(asks, texts, probs.cpu(), strict=True)
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
