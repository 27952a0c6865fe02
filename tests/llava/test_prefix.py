"""Prompts behind an opening, and several behind one prefix, give what each gives by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from llava import Llava, load_llava
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
def visual_tokens(each_model: Llava, pixel_values: Tensor) -> Tensor:
    return each_model.encode(pixel_values)


@pytest.fixture
def asked(each_model: Llava, visual_tokens: Tensor) -> Asked:
    prompts = [each_model.tokenize(query) for query in QUERIES]
    rows = [prompts[0].positions_of(0, 20), prompts[1].positions_of(0, 23), ()]
    prefix = each_model.prefix(each_model.opening(prompts[0]), visual_tokens)
    return Asked(
        prompts,
        rows,
        each_model.prefill_behind(prefix, range(5), [[p] * 5 for p in prompts], rows),
        [
            each_model.prefill([p] * 5, visual_tokens, attention_rows=r)
            for p, r in zip(prompts, rows, strict=True)
        ],
    )


def test_logits_equal_those_of_prompts_run_by_themselves(asked: Asked) -> None:
    for packed, alone in zip(asked.packed, asked.alone, strict=True):
        torch.testing.assert_close(packed.logits, alone.logits, atol=1e-5, rtol=0)


def test_attention_rows_equal_those_of_prompts_run_by_themselves(asked: Asked) -> None:
    for packed, alone, rows in zip(asked.packed, asked.alone, asked.rows, strict=True):
        assert (packed.attentions is None) == (not rows)
        torch.testing.assert_close(packed.attentions, alone.attentions, atol=1e-6, rtol=0)


def test_answers_decode_alike(each_model: Llava, asked: Asked) -> None:
    for packed, alone in zip(asked.packed, asked.alone, strict=True):
        assert each_model.decode(packed, [3, 1], 6) == each_model.decode(alone, [3, 1], 6)


def test_a_prefix_is_left_as_it_was(each_model: Llava, visual_tokens: Tensor) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    prefix = each_model.prefix(each_model.opening(prompt), visual_tokens)
    first = each_model.prefill_behind(prefix, range(5), [[prompt] * 5], [()])[0].logits
    assert prefix.cache.length == prompt.image_position + visual_tokens.shape[1]
    again = each_model.prefill_behind(prefix, range(5), [[prompt] * 5], [()])[0].logits
    assert torch.equal(first, again)


@pytest.mark.parametrize("kept", [range(16), (0, 2, 3, 11)], ids=["whole", "dropped"])
def test_behind_the_opening_a_prompt_gives_and_decodes_what_the_whole_prompt_does(
    kept: Sequence[int], each_model: Llava, visual_tokens: Tensor
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    rows = prompt.positions_of(0, 20)
    opening = each_model.opening(prompt)
    shown = visual_tokens[:, list(kept)]
    behind = each_model.prefill([prompt] * 5, shown, rows, opening)
    whole = each_model.prefill([prompt] * 5, shown, rows)
    assert opening.cache.length == prompt.image_position
    torch.testing.assert_close(behind.logits, whole.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(behind.attentions, whole.attentions, atol=1e-6, rtol=0)
    assert each_model.decode(behind, [3, 1, 3], 6) == each_model.decode(whole, [3, 1, 3], 6)


def test_prompts_of_a_batch_behind_one_opening_keep_their_own_texts(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompts = [each_model.tokenize(query) for query in ("Why A?", "Why B?")]
    assert len({len(prompt) for prompt in prompts}) == 1
    behind = each_model.prefill(prompts, visual_tokens[:2], (), each_model.opening(prompts[0]))
    whole = each_model.prefill(prompts, visual_tokens[:2])
    torch.testing.assert_close(behind.logits, whole.logits, atol=1e-5, rtol=0)


def test_a_prompt_that_opens_otherwise_is_refused(each_model: Llava, visual_tokens: Tensor) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    first, *others = prompt.input_ids
    other = Prompt((first + 1, *others), prompt.query_spans)
    with pytest.raises(ValueError, match="does not begin as the prefix does"):
        each_model.prefill([other], visual_tokens[:1], (), each_model.opening(prompt))


def test_attention_of_the_opening_itself_is_refused(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    with pytest.raises(ValueError, match="that text's own"):
        each_model.prefill([prompt], visual_tokens[:1], (3,), each_model.opening(prompt))


@pytest.mark.parametrize("order", [[4, 2], [1, 0, 2, 4, 3]], ids=["some", "all"])
def test_images_of_a_prefix_can_be_asked_in_another_order(
    order: list[int], each_model: Llava, visual_tokens: Tensor, asked: Asked
) -> None:
    prompts = [each_model.tokenize(QUERIES[1]) for _ in order]
    prefix = each_model.prefix(each_model.opening(prompts[0]), visual_tokens)
    (some,) = each_model.prefill_behind(prefix, order, [prompts], [asked.rows[1]])
    torch.testing.assert_close(some.logits, asked.alone[1].logits[order], atol=1e-5, rtol=0)
    assert some.attentions is not None
    assert asked.alone[1].attentions is not None
    torch.testing.assert_close(some.attentions, asked.alone[1].attentions[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_packs_too_and_gives_logits_and_attention_in_float32(
    dtype: torch.dtype, checkpoint: Path, pixel_values: Tensor
) -> None:
    model = load_llava(str(checkpoint), dtype=dtype)
    visual_tokens = model.encode(pixel_values)
    prompts = [model.tokenize(query) for query in QUERIES]
    rows = [prompt.positions_of(0, 3) for prompt in prompts]
    prefix = model.prefix(model.opening(prompts[0]), visual_tokens)
    packed = model.prefill_behind(prefix, range(5), [[p] * 5 for p in prompts], rows)
    for prefill, prompt, behind in zip(packed, prompts, rows, strict=True):
        alone = model.prefill([prompt] * 5, visual_tokens, attention_rows=behind)
        assert prefill.attentions is not None
        assert {prefill.logits.dtype, prefill.attentions.dtype} == {torch.float32}
        torch.testing.assert_close(prefill.logits, alone.logits, atol=0.2, rtol=0)
        torch.testing.assert_close(prefill.attentions, alone.attentions, atol=2e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_one_image_behind_the_opening_in_half_precision(
    dtype: torch.dtype, checkpoint: Path, pixel_values: Tensor
) -> None:
    model = load_llava(str(checkpoint), dtype=dtype)
    visual_tokens = model.encode(pixel_values[:1])
    prompt = model.tokenize(QUERIES[0])
    rows = prompt.positions_of(0, 3)
    behind = model.prefill([prompt], visual_tokens, rows, model.opening(prompt))
    whole = model.prefill([prompt], visual_tokens, rows)
    assert behind.attentions is not None
    assert {behind.logits.dtype, behind.attentions.dtype} == {torch.float32}
    torch.testing.assert_close(behind.logits, whole.logits, atol=0.2, rtol=0)
    torch.testing.assert_close(behind.attentions, whole.attentions, atol=2e-3, rtol=0)


def test_texts_of_one_pass_decode_in_any_order_and_again(each_model: Llava, asked: Asked) -> None:
    """They share one cache, which decoding must not touch."""
    answers = [each_model.decode(prefill, range(5), 6) for prefill in asked.packed]
    again = [each_model.decode(prefill, range(5), 6) for prefill in reversed(asked.packed)]
    assert again[::-1] == answers


def test_a_prompt_that_begins_otherwise_is_refused(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    first, *others = prompt.input_ids
    other = Prompt((first + 1, *others), prompt.query_spans)
    prefix = each_model.prefix(each_model.opening(prompt), visual_tokens)
    with pytest.raises(ValueError, match="does not begin as the prefix does"):
        each_model.prefill_behind(prefix, range(5), [[prompt] * 4 + [other]], [()])


def test_texts_of_several_lengths_in_one_batch_are_refused(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompts = [each_model.tokenize(query) for query in QUERIES[:2]]
    prefix = each_model.prefix(each_model.opening(prompts[0]), visual_tokens)
    with pytest.raises(ValueError, match="one length"):
        each_model.prefill_behind(prefix, [0, 1], [prompts], [()])


def test_attention_of_the_prefix_itself_is_refused(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    prefix = each_model.prefix(each_model.opening(prompt), visual_tokens)
    with pytest.raises(ValueError, match="that text's own"):
        each_model.prefill_behind(prefix, range(5), [[prompt] * 5], [(0,)])
