"""The prefill that may be shortened between layers, against the plain one and transformers."""

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from llava.language import decode, prefill
from llava.layerwise import AttentionOf, layerwise_prefill

LENGTH = 12


@pytest.fixture(scope="module")
def language_model() -> LlamaForCausalLM:
    """Four random layers, grouped queries."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.25,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    model.set_attn_implementation("sdpa")
    return model


@pytest.fixture(scope="module")
def embeds() -> Tensor:
    """Two sequences."""
    return torch.randn(2, LENGTH, 16, generator=torch.Generator().manual_seed(5))


def unchanged(layer: int, hidden_states: Tensor, attention_of: AttentionOf) -> Tensor:
    return hidden_states


def without_two(layer: int, hidden_states: Tensor, attention_of: AttentionOf) -> Tensor:
    """The third and fourth position go after the second layer."""
    if layer != 1:
        return hidden_states
    return torch.cat([hidden_states[:, :2], hidden_states[:, 4:]], dim=1)


def test_nothing_changed_is_the_plain_prefill(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    plain, layerwise = (
        prefill(language_model, embeds),
        layerwise_prefill(language_model, embeds, unchanged),
    )
    torch.testing.assert_close(layerwise.logits, plain.logits, atol=1e-5, rtol=1e-5)


def test_the_attention_is_every_layers_own(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    rows, found = [3, 11, 4], []

    def read(layer: int, hidden_states: Tensor, attention_of: AttentionOf) -> Tensor:
        found.append(attention_of(rows))
        return hidden_states

    layerwise_prefill(language_model, embeds, read)
    language_model.set_attn_implementation("eager")
    expected = language_model(inputs_embeds=embeds, output_attentions=True).attentions
    language_model.set_attn_implementation("sdpa")
    for of_layer, eager in zip(found, expected, strict=True):
        torch.testing.assert_close(of_layer, eager[:, :, rows], atol=1e-6, rtol=1e-5)


def test_a_layer_s_cache_is_what_it_ran_on(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    (cache,) = layerwise_prefill(language_model, embeds, without_two).caches
    assert [cache.in_layer(layer).length for layer in range(4)] == [12, 12, 10, 10]


def test_positions_have_no_gap_after_what_went(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    after_first_two = [torch.empty(0)]

    def keep(layer: int, hidden_states: Tensor, attention_of: AttentionOf) -> Tensor:
        left = without_two(layer, hidden_states, attention_of)
        after_first_two[0] = left if layer == 1 else after_first_two[0]
        return left

    found = layerwise_prefill(language_model, embeds, keep).logits
    rest = upper_half(language_model)
    expected = rest(inputs_embeds=after_first_two[0], use_cache=False).logits[:, -1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def upper_half(language_model: LlamaForCausalLM) -> LlamaForCausalLM:
    """A model of the last two layers alone."""
    config = LlamaConfig(**{**language_model.config.to_dict(), "num_hidden_layers": 2})
    half = LlamaForCausalLM(config).eval().requires_grad_(False)
    lower = {"model.layers.2.": "model.layers.0.", "model.layers.3.": "model.layers.1."}
    weights = {
        lower.get(name[:15], name[:15]) + name[15:]: weight
        for name, weight in language_model.state_dict().items()
        if not name.startswith(("model.layers.0.", "model.layers.1."))
    }
    half.load_state_dict(weights)
    return half


def test_decoding_goes_on_as_the_whole_sequence_computed_again_does(
    language_model: LlamaForCausalLM, embeds: Tensor
) -> None:
    found = decode(language_model, prefill(language_model, embeds), [0, 1], 6, frozenset())
    sequence = embeds
    for _ in range(6):
        logits = language_model(inputs_embeds=sequence, use_cache=False).logits[:, -1:]
        token = language_model.model.embed_tokens(logits.argmax(dim=-1))
        sequence = torch.cat([sequence, token], dim=1)
    words = language_model.model.embed_tokens.weight
    expected = [[int(words.eq(x).all(1).nonzero()) for x in row] for row in sequence[:, LENGTH:]]
    assert found == expected


def test_an_eager_model_is_refused(language_model: LlamaForCausalLM, embeds: Tensor) -> None:
    language_model.set_attn_implementation("eager")
    with pytest.raises(ValueError, match="prefill needs sdpa attention, got eager"):
        layerwise_prefill(language_model, embeds, unchanged)
    language_model.set_attn_implementation("sdpa")
