"""A model of a given shape with random weights, made where it computes and in its own precision.

No weight ever exists elsewhere or in another precision, so a 7B model in float16 takes 14 GB.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaTokenizer,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from llava import Llava
from llava.conversation import VICUNA_V1
from llava.image import ImageProcessor
from llava.projector import DownsampleProjector, build_projector
from llava.prompt import PromptTokenizer
from llava.vision import VisionTower
from sepm.bench.shapes import LanguageShape, Shape, TowerShape
from sepm.errors import InputError

TOKENIZER = Path(__file__).resolve().parents[2] / "data" / "demo" / "llava-demo"
"""The bundled demo's tokenizer, whatever the shape; rows of a larger vocabulary stay unused."""

SELECT_LAYER = -2
"""Which hidden state of the tower is read."""


def random_model(shape: Shape, device: torch.device, dtype: torch.dtype, seed: int) -> Llava:
    """A model ready for inference, of the prompts of LLaVA-1.5.

    Raises:
        InputError: the tokenizer is not there.
    """
    tokenizer = _tokenizer()
    tower, language = shape.tower, shape.language
    config = tower_config(tower)
    with init_empty_weights(include_buffers=False):
        language_model = LlamaForCausalLM(language_config(language))
        if tower.kind == "clip":
            projector = build_projector("mlp2x_gelu", tower.hidden_size, language.hidden_size)
        else:
            projector = DownsampleProjector(tower.hidden_size, language.hidden_size)
        feature = "patch" if tower.kind == "clip" else "cls_patch"
        vision_tower = VisionTower(config, SELECT_LAYER, feature)
    model = Llava(
        language_model,
        projector,
        vision_tower,
        PromptTokenizer(tokenizer, VICUNA_V1),
        image_processor(tower),
        end_ids=frozenset([cast("int", tokenizer.eos_token_id)]),
    )
    fill(model, device, dtype, seed)
    return model.eval()


def _tokenizer() -> LlamaTokenizer:
    if not (TOKENIZER / "tokenizer.model").is_file():
        raise InputError(
            f"no tokenizer in {TOKENIZER}: the benchmark uses the bundled demo's; run it from a "
            "checkout of the repository (pip install -e .)"
        )
    return LlamaTokenizer.from_pretrained(TOKENIZER)


def language_config(shape: LanguageShape) -> LlamaConfig:
    """Of the language model."""
    return LlamaConfig.from_dict(
        {**asdict(shape), "max_position_embeddings": 4096, "rms_norm_eps": 1e-5},
        attn_implementation="sdpa",
    )


def tower_config(shape: TowerShape) -> CLIPVisionConfig | SiglipVisionConfig:
    """Of the whole vision tower, the layers that are not read included."""
    sizes = {k: v for k, v in asdict(shape).items() if k != "kind"}
    if shape.kind == "clip":
        return CLIPVisionConfig(**sizes, hidden_act="quick_gelu")
    return SiglipVisionConfig(**sizes)


def image_processor(shape: TowerShape) -> ImageProcessor:
    """Preprocessing of the family: LLaVA-1.5 pads to a square, VILA-1.5 stretches."""
    side = shape.image_size
    square = {"height": side, "width": side}
    if shape.kind == "siglip":
        return ImageProcessor(SiglipImageProcessorPil(size=square, resample=3), "resize")
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=square)
    return ImageProcessor(processor, "pad")


def fill(module: nn.Module, device: torch.device, dtype: torch.dtype, seed: int) -> None:
    """Give every parameter on the meta device seeded random values; buffers go to the device."""
    generator = torch.Generator(device).manual_seed(seed)
    for name, parameter in list(module.named_parameters()):
        if parameter.device.type == "meta":
            values = torch.empty(parameter.shape, device=device, dtype=dtype)
            _draw(values, name, generator)
            owner, _, attribute = name.rpartition(".")
            value = nn.Parameter(values, requires_grad=False)
            setattr(module.get_submodule(owner), attribute, value)
    module.to(device)


def _draw(values: Tensor, name: str, generator: torch.Generator) -> None:
    """Fill a parameter in place so that activations keep their size from layer to layer."""
    if name.endswith("bias"):
        values.zero_()
    elif values.dim() == 1 and name.endswith("weight"):
        values.fill_(1.0)  # of a norm
    elif "embed_tokens" in name or "position_embedding" in name or values.dim() == 1:
        values.normal_(0.0, 0.5, generator=generator)
    else:
        values.normal_(0.0, 1 / math.sqrt(values[0].numel()), generator=generator)
