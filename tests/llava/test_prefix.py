"""Several prompts behind one prefix give what each gives by itself."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from llava import Llava
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
    prefix = each_model.prefix(prompts[0], visual_tokens)
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
    prefix = each_model.prefix(prompt, visual_tokens)
    first = each_model.prefill_behind(prefix, range(5), [[prompt] * 5], [()])[0].logits
    assert prefix.cache.get_seq_length() == prompt.image_position + visual_tokens.shape[1]
    again = each_model.prefill_behind(prefix, range(5), [[prompt] * 5], [()])[0].logits
    assert torch.equal(first, again)


def test_some_images_of_a_prefix_can_be_asked_in_another_order(
    each_model: Llava, visual_tokens: Tensor, asked: Asked
) -> None:
    prompts = [each_model.tokenize(query) for query in (QUERIES[1], QUERIES[1])]
    prefix = each_model.prefix(prompts[0], visual_tokens)
    (some,) = each_model.prefill_behind(prefix, [4, 2], [prompts], [asked.rows[1]])
    torch.testing.assert_close(some.logits, asked.alone[1].logits[[4, 2]], atol=1e-5, rtol=0)
    assert some.attentions is not None
    assert asked.alone[1].attentions is not None
    torch.testing.assert_close(
        some.attentions, asked.alone[1].attentions[[4, 2]], atol=1e-6, rtol=0
    )


def test_a_prompt_that_begins_otherwise_is_refused(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    other = Prompt((prompt.input_ids[0], *prompt.input_ids), (None, *prompt.query_spans))
    prefix = each_model.prefix(prompt, visual_tokens)
    with pytest.raises(ValueError, match="does not begin as the prefix does"):
        each_model.prefill_behind(prefix, range(5), [[other] * 5], [()])


def test_texts_of_several_lengths_in_one_batch_are_refused(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompts = [each_model.tokenize(query) for query in QUERIES[:2]]
    prefix = each_model.prefix(prompts[0], visual_tokens)
    with pytest.raises(ValueError, match="one length"):
        each_model.prefill_behind(prefix, [0, 1], [prompts], [()])


def test_attention_of_the_prefix_itself_is_refused(
    each_model: Llava, visual_tokens: Tensor
) -> None:
    prompt = each_model.tokenize(QUERIES[0])
    prefix = each_model.prefix(prompt, visual_tokens)
    with pytest.raises(ValueError, match="that text's own"):
        each_model.prefill_behind(prefix, range(5), [[prompt] * 5], [(0,)])
