"""Loaded tiny checkpoints, a few images, and transformers' own models with the same weights."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from llava import Llava, VisualTokens, load_checkpoint
from tests.llava.stored import EAGER, config_of, weights_of

MakeLlava = Callable[..., Path]
Model = TypeVar("Model", bound=nn.Module)
PLACEHOLDER_ID = 0
"""`<unk>`, which no prompt here holds: where transformers' LLaVA puts visual tokens."""


@pytest.fixture(scope="session")
def images() -> list[Image.Image]:
    """Five images, landscape, portrait and square: noise and plain colours."""
    generator = np.random.default_rng(0)
    noise = [
        Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for height, width in ((40, 60), (71, 33), (56, 56))
    ]
    return [*noise, Image.new("RGB", (50, 20), (200, 30, 30)), Image.new("RGB", (9, 9), (0, 90, 0))]


@pytest.fixture(scope="session")
def model(tiny_llava: Path) -> Llava:
    return load_checkpoint(str(tiny_llava))


@pytest.fixture(scope="session", params=[4, 2], ids=["multi-head", "grouped-query"])
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_llava: MakeLlava
) -> Path:
    folder = tmp_path_factory.mktemp("quiet") / "llava-tiny"
    return make_llava(folder, gain=1.0, kv_heads=request.param)


@pytest.fixture(scope="session")
def each_model(checkpoint: Path) -> Llava:
    """A model with multi-head attention, then one with grouped-query attention."""
    return load_checkpoint(str(checkpoint))


@pytest.fixture(scope="session")
def inputs(model: Llava, images: list[Image.Image]) -> list[np.ndarray]:
    return [model.preprocess(image) for image in images]


@pytest.fixture
def encoded(each_model: Llava, inputs: list[np.ndarray]) -> list[VisualTokens]:
    return each_model.encode(inputs)


@pytest.fixture(scope="session")
def pixel_values(inputs: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(inputs))


@pytest.fixture(scope="session")
def eager_llama(checkpoint: Path) -> LlamaForCausalLM:
    """transformers' own LLaMA with eager attention."""
    model = LlamaForCausalLM(LlamaConfig(**config_of(checkpoint)))
    weights = weights_of(checkpoint)
    return _filled(model, {k: v for k, v in weights.items() if ".mm_projector." not in k})


@pytest.fixture(scope="session")
def eager_llava(checkpoint: Path) -> LlavaForConditionalGeneration:
    """transformers' own LLaVA with eager attention; its placeholder is `PLACEHOLDER_ID`."""
    tower = checkpoint / "vision_tower"
    config = LlavaConfig(
        text_config=LlamaConfig(**config_of(checkpoint)),
        vision_config=CLIPVisionConfig(**config_of(tower)),
        image_token_index=PLACEHOLDER_ID,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        projector_hidden_act="gelu",
        **EAGER,
    )
    weights = weights_of(checkpoint) | weights_of(tower)
    renamed = {_name_in_transformers(name): tensor for name, tensor in weights.items()}
    return _filled(LlavaForConditionalGeneration(config), renamed)


def _name_in_transformers(name: str) -> str:
    """In memory, since transformers 5.6, of a weight of the original checkpoint or tower."""
    for original, new in (
        ("vision_model.", "model.vision_tower."),
        ("model.mm_projector.0.", "model.multi_modal_projector.linear_1."),
        ("model.mm_projector.2.", "model.multi_modal_projector.linear_2."),
        ("model.", "model.language_model."),
    ):
        if name.startswith(original):
            return new + name.removeprefix(original)
    return name


def _filled(model: Model, weights: dict[str, Tensor]) -> Model:
    model.load_state_dict(weights, strict=True)
    return model.eval()
