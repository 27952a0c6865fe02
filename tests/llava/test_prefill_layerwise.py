"""The prefill whose visual tokens may be reduced between layers, against the plain one."""

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from llava.language import LayerState, prefill, prefill_layerwise

LENGTH = 12
IMAGE = slice(2, 8)


@pytest.fixture(scope="module")
def language_model() -> LlamaForCausalLM:
    """Four random layers, grouped queries."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.25,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    model.set_attn_implementation("sdpa")
    return model


@pytest.fixture(scope="module")
def embeds() -> Tensor:
    """Two text tokens, six visual ones, four of text."""
    return torch.randn(1, LENGTH, 16, generator=torch.Generator().manual_seed(5))


def unchanged(layer: int, state: LayerState) -> None:
    """All visual tokens go on."""


def test_nothing_changed_is_the_plain_prefill(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    plain = prefill(language_model, embeds)
    layerwise = prefill_layerwise(language_model, embeds, IMAGE, unchanged)
    torch.testing.assert_close(layerwise.logits, plain.logits, atol=1e-5, rtol=1e-5)
    assert layerwise.attentions is None


def test_states_before_the_first_layer_and_after_each_are_transformers_hidden_states(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    found: dict[int, tuple[Tensor, Tensor]] = {}

    def read(layer: int, state: LayerState) -> None:
        found[layer] = state.visual_tokens, state.text_tokens

    prefill_layerwise(language_model, embeds, IMAGE, read)
    expected = language_model(inputs_embeds=embeds, output_hidden_states=True).hidden_states
    assert list(found) == [-1, 0, 1, 2, 3]
    for layer in range(-1, 3):  # transformers' last hidden state is normed
        visual_tokens, text_tokens = found[layer]
        torch.testing.assert_close(visual_tokens, expected[layer + 1][0, 2:8])
        torch.testing.assert_close(text_tokens, expected[layer + 1][0, 8:])


def test_the_attention_is_every_layers_own_from_text_to_image(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    found = []

    def read(layer: int, state: LayerState) -> None:
        if layer >= 0:
            found.append(state.attention([3, 0]))

    prefill_layerwise(language_model, embeds, IMAGE, read)
    language_model.set_attn_implementation("eager")
    expected = language_model(inputs_embeds=embeds, output_attentions=True).attentions
    language_model.set_attn_implementation("sdpa")
    for of_layer, eager in zip(found, expected, strict=True):
        torch.testing.assert_close(of_layer, eager[0, :, [11, 8], IMAGE], atol=1e-6, rtol=1e-5)


def test_before_the_first_layer_there_is_no_attention(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    def read(layer: int, state: LayerState) -> None:
        state.attention([0])

    with pytest.raises(ValueError, match="before the first layer"):
        prefill_layerwise(language_model, embeds, IMAGE, read)


@pytest.mark.parametrize(("layer", "lengths"), [(-1, [10] * 4), (1, [12, 12, 10, 10])])
def test_a_layer_s_cache_is_what_it_ran_on(
    language_model: LlamaForCausalLM, embeds: Tensor, layer: int, lengths: list[int]
) -> None:
    def reduce(number: int, state: LayerState) -> Tensor | None:
        return state.visual_tokens[2:] if number == layer else None

    (cache,) = prefill_layerwise(language_model, embeds, IMAGE, reduce).caches
    assert [cache.in_layer(layer).length for layer in range(4)] == lengths


def test_positions_have_no_gap_after_what_went(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    after_first_two: list[Tensor] = []

    def keep(layer: int, state: LayerState) -> Tensor | None:
        if layer != 1:
            return None
        left = state.visual_tokens[2:]
        after_first_two.append(torch.cat([state._hidden_states[0, :2], left, state.text_tokens]))
        return left

    found = prefill_layerwise(language_model, embeds, IMAGE, keep).logits
    (sequence,) = after_first_two
    hidden_states = sequence[None]
    rotation = language_model.model.rotary_emb(hidden_states, torch.arange(LENGTH - 2)[None])
    for layer in language_model.model.layers[2:]:
        hidden_states = layer(hidden_states, position_embeddings=rotation)
    expected = language_model.lm_head(language_model.model.norm(hidden_states))[:, -1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
