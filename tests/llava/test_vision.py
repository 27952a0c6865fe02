"""The vision tower and the projector equal transformers' CLIP and plain linear maps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel

from llava import Llava, load_checkpoint
from llava.vision import VisionTower, read_layers
from tests.llava.stored import config_of, weights_of


@pytest.fixture(scope="module")
def clip(tiny_llava: Path) -> CLIPVisionModel:
    """transformers' whole CLIP with eager attention."""
    folder = tiny_llava / "vision_tower"
    clip = CLIPVisionModel(CLIPVisionConfig(**config_of(folder))).eval()
    prefix = next(iter(clip.state_dict())).startswith("vision_model.")
    clip.load_state_dict(
        {
            name if prefix else name.removeprefix("vision_model."): tensor
            for name, tensor in weights_of(folder).items()
        }
    )
    return clip


@pytest.fixture(scope="module")
def features(clip: CLIPVisionModel, pixel_values: Tensor) -> Tensor:
    """Patch features float[B, 16, 24]: hidden state -2 of the whole CLIP, without its CLS token."""
    with torch.inference_mode():
        return clip(pixel_values, output_hidden_states=True).hidden_states[-2][:, 1:]


def test_the_class_tokens_attention_is_clips_in_the_last_layer_that_is_read(
    model: Llava, clip: CLIPVisionModel, pixel_values: Tensor, inputs: list[np.ndarray]
) -> None:
    with torch.inference_mode():
        expected = clip(pixel_values, output_attentions=True).attentions[-2][:, :, 0, 1:].mean(1)
    found = [image.cls_attention for image in model.encode(inputs)]
    for one, row in zip(found, expected, strict=True):
        assert one is not None
        torch.testing.assert_close(one, row, atol=1e-6, rtol=0)


def encoded(model: Llava, inputs: list[np.ndarray]) -> Tensor:
    """Visual tokens float[B, N, D]."""
    return torch.stack([image.features for image in model.encode(inputs)])


def test_encode_equals_the_last_but_one_hidden_state_of_clip_and_two_linear_maps(
    model: Llava, features: Tensor, tiny_llava: Path, inputs: list[np.ndarray]
) -> None:
    first, first_bias, second, second_bias = (
        weights_of(tiny_llava)[f"model.mm_projector.{name}"]
        for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    hidden = functional.gelu(features @ first.T + first_bias)  # the exact GELU
    expected = hidden @ second.T + second_bias

    torch.testing.assert_close(encoded(model, inputs), expected, atol=1e-5, rtol=0)


def test_a_linear_projector_is_one_linear_map(
    make_llava, tmp_path: Path, inputs: list[np.ndarray], pixel_values: Tensor
) -> None:
    folder = make_llava(tmp_path / "llava-tiny", projector="linear")
    linear = load_checkpoint(str(folder))
    weights = weights_of(folder)
    with torch.inference_mode():
        expected = (
            linear.vision_tower(pixel_values) @ weights["model.mm_projector.weight"].T
            + weights["model.mm_projector.bias"]
        )

    torch.testing.assert_close(encoded(linear, inputs), expected, atol=1e-5, rtol=0)


def test_images_encode_alike_alone_and_in_a_batch(model: Llava, inputs: list[np.ndarray]) -> None:
    one_by_one = torch.cat([encoded(model, [pixels]) for pixels in inputs])

    torch.testing.assert_close(encoded(model, inputs), one_by_one, atol=1e-5, rtol=0)


def test_an_image_becomes_one_visual_token_a_patch(model: Llava, inputs: list[np.ndarray]) -> None:
    images = model.encode(inputs)

    assert [image.features.shape for image in images] == [(16, 32)] * 5
    assert {image.num_tokens for image in images} == {16}
    assert model.max_visual_tokens == 16


def test_cls_patch_keeps_the_class_token(pixel_values: Tensor) -> None:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=24, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        image_size=56, patch_size=14,
    )  # fmt: skip
    tower = VisionTower(config, -2, "cls_patch").eval()
    with torch.inference_mode():
        features = tower(pixel_values)
        tower.select_feature = "patch"
        patches = tower(pixel_values)

    assert features.shape == (5, 17, 24)
    assert torch.equal(features[:, 1:], patches)


def test_hidden_state_k_needs_k_layers_and_must_be_there() -> None:
    assert [read_layers(24, k) for k in (-1, -2, 0, 23, 24, -25)] == [24, 23, 0, 23, 24, 0]
    for k in (25, -26):
        with pytest.raises(ValueError, match=f"mm_vision_select_layer {k}: .* 24 layers"):
            read_layers(24, k)
