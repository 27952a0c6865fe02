"""Logits and attention equal those of transformers' own models with the same weights."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM, LlavaForConditionalGeneration

from llava import Llava
from llava.prompt import IMAGE_TOKEN_ID, Prompt

QUERY = "Please focus on emotion.\nWhich description is it?\nA. Positive\nB. Negative"
OTHER = "Please focus on emotion.\nWhich description is it?\nB. Positive\nA. Negative"
NUM_VISUAL_TOKENS = 16
assert_close = partial(torch.testing.assert_close, atol=1e-5, rtol=0.0)


def expanded(prompt: Prompt, placeholder: int) -> list[int]:
    """The prompt's ids with one placeholder a visual token."""
    before, after = prompt.image_position, prompt.image_position + 1
    ids = prompt.input_ids
    return [*ids[:before], *[placeholder] * NUM_VISUAL_TOKENS, *ids[after:]]


def spliced_by_hand(llama: LlamaForCausalLM, prompt: Prompt, visual_tokens: Tensor) -> Tensor:
    """Embeddings float[T, D], one position at a time."""
    table = llama.model.embed_tokens.weight
    rows = []
    for token_id in prompt.input_ids:
        rows += list(visual_tokens) if token_id == IMAGE_TOKEN_ID else [table[token_id]]
    return torch.stack(rows)


def over_image(attentions: Tensor, prompt: Prompt, num_tokens: int = NUM_VISUAL_TOKENS) -> Tensor:
    """float[..., N] of float[..., T]."""
    return attentions[..., prompt.image_position : prompt.image_position + num_tokens]


@torch.inference_mode()
def test_logits_and_attention_equal_those_of_transformers_llava(
    each_model: Llava,
    eager_llava: LlavaForConditionalGeneration,
    inputs: list[np.ndarray],
    pixel_values: Tensor,
) -> None:
    prompt = each_model.tokenize(QUERY)
    position = prompt.image_position
    rows = [3, position - 1, position + 1, *prompt.positions_of(0, 23), len(prompt) - 1]
    ours = each_model.prefill([prompt] * 5, each_model.encode(inputs), [()] * 5, rows)

    input_ids = torch.tensor([expanded(prompt, eager_llava.config.image_token_id)] * 5)
    theirs = eager_llava(
        input_ids=input_ids,
        attention_mask=torch.ones_like(input_ids),
        pixel_values=pixel_values,
        output_attentions=True,
    )
    spliced_rows = [row if row < position else row + 15 for row in rows]

    assert_close(ours.logits, theirs.logits[:, -1])
    assert ours.attentions is not None
    assert_close(ours.attentions, over_image(theirs.attentions[-1][:, :, spliced_rows], prompt))


@torch.inference_mode()
def test_a_batch_of_different_prompts_equals_llama_over_sequences_spliced_by_hand(
    each_model: Llava, eager_llama: LlamaForCausalLM, inputs: list[np.ndarray]
) -> None:
    prompts = [each_model.tokenize(query) for query in (QUERY, OTHER)]
    images = each_model.encode(inputs[:2])
    rows = prompts[0].positions_of(0, 23)
    ours = each_model.prefill(prompts, images, [(), ()], rows)

    for index, prompt in enumerate(prompts):
        sequence = spliced_by_hand(eager_llama, prompt, images[index].features)
        theirs = eager_llama(inputs_embeds=sequence[None], output_attentions=True)
        assert_close(ours.logits[index], theirs.logits[0, -1])
        assert ours.attentions is not None
        expected = theirs.attentions[-1][0][:, [row + 15 for row in rows]]
        assert_close(ours.attentions[index], over_image(expected, prompt))


@torch.inference_mode()
def test_dropping_visual_tokens_equals_the_shortened_sequence_built_by_hand(
    each_model: Llava, eager_llama: LlamaForCausalLM, inputs: list[np.ndarray]
) -> None:
    prompt = each_model.tokenize(QUERY)
    images = each_model.encode(inputs[:1])
    dropped = [13, 3, 4, 7, 8, 14, 10]
    ours = each_model.prefill([prompt], images, [dropped], (40,))

    sequence = spliced_by_hand(eager_llama, prompt, images[0].features)
    gone = [prompt.image_position + index for index in dropped]
    shortened = sequence[[i for i in range(len(sequence)) if i not in gone]]
    positions = torch.arange(len(shortened))[None]
    theirs = eager_llama(
        inputs_embeds=shortened[None], position_ids=positions, output_attentions=True
    )

    assert_close(ours.logits, theirs.logits[:, -1])
    assert ours.attentions is not None
    expected = theirs.attentions[-1][:, :, [40 + 9 - 1]]
    assert_close(ours.attentions, over_image(expected, prompt, num_tokens=9))


@torch.inference_mode()
def test_hiding_visual_tokens_equals_one_sequence_whose_text_does_not_see_them(
    each_model: Llava, eager_llama: LlamaForCausalLM, inputs: list[np.ndarray]
) -> None:
    prompts = [each_model.tokenize(query) for query in (QUERY, OTHER)]
    images = each_model.encode(inputs[:2])
    hidden = [(0, 3, 15), (13, 4, 7)]
    rows = prompts[0].positions_of(0, 23)
    prefix = each_model.image_prefix(each_model.text_prefix(prompts[0]), images)
    (ours,) = each_model.prefill_with_prefix(prefix, [0, 1], [prompts], [rows], [hidden])

    for index, prompt in enumerate(prompts):
        sequence = spliced_by_hand(eager_llama, prompt, images[index].features)
        gone = [prompt.image_position + token for token in hidden[index]]
        visible = torch.ones(len(sequence), len(sequence), dtype=torch.bool).tril()
        visible[prompt.image_position + NUM_VISUAL_TOKENS :, gone] = False
        theirs = eager_llama(
            inputs_embeds=sequence[None],
            attention_mask=torch.zeros(visible.shape).masked_fill(~visible, -1e30)[None, None],
            output_attentions=True,
        )
        assert_close(ours.logits[index], theirs.logits[0, -1])
        assert ours.attentions is not None
        to_image = over_image(theirs.attentions[-1][0][:, [row + 15 for row in rows]], prompt)
        assert_close(ours.attentions[index], to_image)


def test_images_of_one_batch_must_show_equally_many_tokens(
    model: Llava, inputs: list[np.ndarray]
) -> None:
    prompt, images = model.tokenize(QUERY), model.encode(inputs[:2])

    with pytest.raises(ValueError, match=r"equally many visual tokens, got \[14, 15\]"):
        model.prefill([prompt] * 2, images, [(3,), (1, 2)])
