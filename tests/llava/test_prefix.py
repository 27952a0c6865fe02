"""Prompts that share a prefix give the logits, attention and answers of each by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from llava import Llava, VisualTokens, language, load_checkpoint
from llava.language import Prefill
from llava.prompt import Prompt

QUERIES = (
    "Which of the following descriptions best represents the image?\nA. Positive\nB. Negative",
    "Please focus on emotion.\nA or B?",
    "Why?",
)


@dataclass(frozen=True)
class Asked:
    """Three prompts of three lengths about five images, packed and each by itself."""

    prompts: list[Prompt]
    rows: list[tuple[int, ...]]
    packed: list[Prefill]
    alone: list[Prefill]


@pytest.fixture
def asked(each_model: Llava, encoded: list[VisualTokens]) -> Asked:
    prompts = [each_model.tokenize(query) for query in QUERIES]
    rows = [prompts[0].positions_of(0, 20), prompts[1].positions_of(0, 23), ()]
    prefix = each_model.image_prefix(each_model.text_prefix(prompts[0]), encoded)
    return Asked(
        prompts,
        rows,
        each_model.prefill_with_prefix(prefix, range(5), [[p] * 5 for p in prompts], rows),
        [
            each_model.prefill([p] * 5, encoded, [()] * 5, r)
            for p, r in zip(prompts, rows, strict=True)
        ],
    )


def assert_same(one: Prefill, other: Prefill) -> None:
    torch.testing.assert_close(one.logits, other.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(one.attentions, other.attentions, atol=1e-6, rtol=0)


def test_prompts_in_one_pass_give_what_each_gives_by_itself(asked: Asked) -> None:
    for packed, alone, rows in zip(asked.packed, asked.alone, asked.rows, strict=True):
        assert (packed.attentions is None) == (not rows)
        assert_same(packed, alone)


def test_prompts_in_one_pass_decode_alike_in_any_order_and_again(
    each_model: Llava, asked: Asked
) -> None:
    """They share one cache, which decoding must not touch."""
    expected = [each_model.decode(prefill, [3, 1, 0], 6) for prefill in asked.alone]
    for order in ([0, 1, 2], [2, 1, 0]):
        for k in order:
            assert each_model.decode(asked.packed[k], [3, 1, 0], 6) == expected[k]


def test_a_prefix_is_left_as_it_was(each_model: Llava, encoded: list[VisualTokens]) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    prefix = each_model.image_prefix(each_model.text_prefix(prompt), encoded)
    first = each_model.prefill_with_prefix(prefix, range(5), [[prompt] * 5], [()])[0].logits
    assert prefix.cache.length == prompt.image_position + encoded[0].num_tokens
    again = each_model.prefill_with_prefix(prefix, range(5), [[prompt] * 5], [()])[0].logits
    assert torch.equal(first, again)


@pytest.mark.parametrize("dropped", [(), (9, 0, 11)], ids=["whole", "dropped"])
def test_after_the_text_prefix_a_prompt_gives_and_decodes_what_the_whole_prompt_does(
    dropped: Sequence[int], each_model: Llava, encoded: list[VisualTokens]
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    rows = prompt.positions_of(0, 20)
    prefix = each_model.text_prefix(prompt)
    after = each_model.prefill([prompt] * 5, encoded, [dropped] * 5, rows, prefix)
    whole = each_model.prefill([prompt] * 5, encoded, [dropped] * 5, rows)
    assert prefix.cache.length == prompt.image_position
    assert_same(after, whole)
    assert each_model.decode(after, [3, 1, 3], 6) == each_model.decode(whole, [3, 1, 3], 6)


def test_prompts_of_a_batch_after_one_text_prefix_keep_their_own_texts(
    each_model: Llava, encoded: list[VisualTokens]
) -> None:
    prompts = [each_model.tokenize(query) for query in ("Why A?", "Why B?")]
    assert len({len(prompt) for prompt in prompts}) == 1
    prefix, images = each_model.text_prefix(prompts[0]), encoded[:2]
    after = each_model.prefill(prompts, images, [(), ()], text_prefix=prefix)
    assert_same(after, each_model.prefill(prompts, images, [(), ()]))


@pytest.mark.parametrize("order", [[4, 2], [1, 0, 2, 4, 3]], ids=["some", "all"])
def test_images_of_a_prefix_can_be_asked_in_another_order(
    order: list[int], each_model: Llava, encoded: list[VisualTokens], asked: Asked
) -> None:
    prompts = [each_model.tokenize(QUERIES[1]) for _ in order]
    prefix = each_model.image_prefix(each_model.text_prefix(prompts[0]), encoded)
    (some,) = each_model.prefill_with_prefix(prefix, order, [prompts], [asked.rows[1]])
    alone = asked.alone[1]
    assert alone.attentions is not None
    assert_same(some, Prefill(alone.logits[order], alone.attentions[order], ()))


def test_answers_are_decoded_without_the_hidden_tokens(
    each_model: Llava, encoded: list[VisualTokens]
) -> None:
    """Each further token is the likeliest after a prompt that ends with those before it."""
    prompt = each_model.tokenize(QUERIES[0])
    hidden = [(index, index + 3) for index in range(5)]
    prefix = each_model.image_prefix(each_model.text_prefix(prompt), encoded)
    (prefill,) = each_model.prefill_with_prefix(prefix, range(5), [[prompt] * 5], [()], [hidden])
    steps = language.decode(each_model.language_model, prefill, [3, 1], 4, frozenset())
    for row, answer in zip([3, 1], steps, strict=True):
        for length, token in enumerate(answer):
            longer = Prompt((*prompt.input_ids, *answer[:length]), prompt.query_spans)
            (so_far,) = each_model.prefill_with_prefix(
                prefix, [row], [[longer]], [()], [[hidden[row]]]
            )
            assert int(so_far.logits.argmax()) == token


def test_each_prompt_of_a_pass_has_its_own_hidden_tokens(
    each_model: Llava, encoded: list[VisualTokens]
) -> None:
    prompts = [[each_model.tokenize(query)] * 5 for query in QUERIES]
    hidden: list[list[tuple[int, ...]]] = [
        [(index, index + 3) for index in range(5)], [()] * 5, [(11 - index,) for index in range(5)],
    ]  # fmt: skip
    prefix = each_model.image_prefix(each_model.text_prefix(prompts[0][0]), encoded)
    rows = [(), prompts[1][0].positions_of(0, 23), ()]
    ask = partial(each_model.prefill_with_prefix, prefix, range(5))
    packed = ask(prompts, rows, hidden)
    for k, prefill in enumerate(packed):
        (alone,) = ask(prompts[k : k + 1], rows[k : k + 1], hidden[k : k + 1])
        assert_same(prefill, alone)
        assert each_model.decode(prefill, [3, 1], 4) == each_model.decode(alone, [3, 1], 4)


def test_hiding_needs_equally_many_tokens_of_each_image(
    each_model: Llava, encoded: list[VisualTokens]
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    prefix = each_model.image_prefix(each_model.text_prefix(prompt), encoded)
    with pytest.raises(ValueError, match=r"hide equally many visual tokens, got \[1, 2\]"):
        each_model.prefill_with_prefix(prefix, [0, 1], [[prompt] * 2], [()], [[(1,), (2, 3)]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_near_and_gives_logits_and_attention_in_float32(
    dtype: torch.dtype, checkpoint: Path, inputs: list[np.ndarray]
) -> None:
    model = load_checkpoint(str(checkpoint), dtype=dtype)
    encoded, prompts = model.encode(inputs), [model.tokenize(query) for query in QUERIES]
    rows = [prompt.positions_of(0, 3) for prompt in prompts]
    text_prefix = model.text_prefix(prompts[0])
    prefix = model.image_prefix(text_prefix, encoded)
    packed = model.prefill_with_prefix(prefix, range(5), [[p] * 5 for p in prompts], rows)
    for prefill, prompt, own_rows in zip(packed, prompts, rows, strict=True):
        alone = model.prefill([prompt] * 5, encoded, [()] * 5, own_rows)
        after = model.prefill([prompt] * 5, encoded, [()] * 5, own_rows, text_prefix)
        for one in (prefill, after):
            assert one.attentions is not None
            assert {one.logits.dtype, one.attentions.dtype} == {torch.float32}
            torch.testing.assert_close(one.logits, alone.logits, atol=0.2, rtol=0)
            torch.testing.assert_close(one.attentions, alone.attentions, atol=2e-3, rtol=0)


@pytest.mark.parametrize("shared", ["text", "text and image"])
@pytest.mark.parametrize(
    ("another", "rows", "message"),
    [
        (True, (), "does not begin as the prefix does"),
        (False, (0,), "that text's own"),
        (False, (3,), "that text's own"),
    ],
    ids=["another beginning", "first row of the prefix", "row of the prefix"],
)
def test_a_prompt_of_another_prefix_and_attention_of_the_prefix_itself_are_refused(
    each_model: Llava,
    encoded: list[VisualTokens],
    shared: str,
    another: bool,
    rows: tuple[int, ...],
    message: str,
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    first, *others = prompt.input_ids
    asked = Prompt((first + another, *others), prompt.query_spans)
    text = each_model.text_prefix(prompt)
    image, batch = each_model.image_prefix(text, encoded), [[prompt] * 4 + [asked]]
    ask = {
        "text": partial(each_model.prefill, [asked], encoded[:1], [()], rows, text),
        "text and image": partial(each_model.prefill_with_prefix, image, range(5), batch, [rows]),
    }
    with pytest.raises(ValueError, match=message):
        ask[shared]()


def test_texts_of_several_lengths_in_one_batch_are_refused(
    each_model: Llava, encoded: list[VisualTokens]
) -> None:
    prompts = [each_model.tokenize(query) for query in QUERIES[:2]]
    prefix = each_model.image_prefix(each_model.text_prefix(prompts[0]), encoded)
    with pytest.raises(ValueError, match="one length"):
        each_model.prefill_with_prefix(prefix, [0, 1], [prompts], [()])
