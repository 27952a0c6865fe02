"""A random LLaVA or VILA of a given shape: it answers with a letter and the end, as a trained one.

It is made where it computes and in its own precision: 7B weights in float16 take 14 GB.

Random weights answer with any word, and an answer that is no bare letter is decoded 128 tokens on.
A trained model writes a letter and ends, so that an answer costs one prefill and one decoded token.
Here the rows of A and B are laid along the hidden states that the queries end in, and all other
rows against them: every answer, also that of a fine query, is A or B. The image decides which of
the two, and how surely: some coarse answers are trusted and others are not.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
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
from llava.checkpoints.parts import empty_parameters
from llava.checkpoints.weights import set_parameter
from llava.conversation import VICUNA_V1
from llava.image import ImageProcessor
from llava.projector import DownsampleProjector, build_projector
from llava.prompt import PromptTokenizer
from llava.vision import VisionTower
from sepm.errors import InputError
from sepm.models.shapes import LanguageShape, Shape, TowerShape

TOKENIZER = Path(__file__).resolve().parents[2] / "data" / "demo" / "llava-demo"
"""The bundled demo's tokenizer, whatever the shape; rows of a larger vocabulary stay unused."""
SELECT_LAYER = -2
"""Index of the tower's hidden state that is read."""
LOUDNESS = 12.0
"""Logit of A and B at a typical hidden state; the others have it with the opposite sign, so that
even tens of thousands of them together weigh little."""
SPREAD = 1.0
"""Standard deviation over images of half the difference of the logits of A and B. At 1, half of
the confidences, tanh² of it / 4, lie below α = 0.1 and half above."""
LETTER_SIGNAL = 1000.0
"""A letter's embedding in the last channel; its other channels, and all layers, add far less."""


class RandomModel(Llava):
    """A model of random weights, and what it was made from."""

    shape: Shape
    seed: int


def random_model(shape: Shape, device: torch.device, dtype: torch.dtype, seed: int) -> RandomModel:
    """A model ready for inference, of the prompts of LLaVA-1.5.

    The last channel of a hidden state tells whether its token is A or B.

    Raises:
        InputError: the tokenizer is not there.
    """
    if not (TOKENIZER / "tokenizer.model").is_file():
        raise InputError(
            f"no tokenizer in {TOKENIZER}: the benchmark uses the bundled demo's; run it from a "
            "checkout of the repository (pip install -e .)"
        )
    tokenizer = LlamaTokenizer.from_pretrained(TOKENIZER)
    tower, language = shape.tower, shape.language
    is_clip = tower.kind == "clip"
    with empty_parameters():
        language_model = LlamaForCausalLM(language_config(language))
        widths = tower.hidden_size, language.hidden_size
        projector = (
            build_projector("mlp2x_gelu", *widths) if is_clip else DownsampleProjector(*widths)
        )
        feature = "patch" if is_clip else "cls_patch"
        vision_tower = VisionTower(tower_config(tower), SELECT_LAYER, feature)
    model = RandomModel(
        language_model,
        projector,
        vision_tower,
        PromptTokenizer(tokenizer, VICUNA_V1),
        image_processor(tower),
        end_ids=frozenset(),
    )
    model.shape, model.seed = shape, seed
    fill(model, device, dtype, seed)
    embeddings, letters = language_model.model.embed_tokens.weight, _letters(model)
    embeddings[letters] = 0
    embeddings[letters, -1] = LETTER_SIGNAL
    return model.eval()


def language_config(shape: LanguageShape) -> LlamaConfig:
    """Configuration of the language model."""
    return LlamaConfig.from_dict(
        {**asdict(shape), "max_position_embeddings": 4096, "rms_norm_eps": 1e-5},
        attn_implementation="sdpa",
    )


def tower_config(shape: TowerShape) -> CLIPVisionConfig | SiglipVisionConfig:
    """Configuration of the whole vision tower, the layers that are not read included."""
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
            if values.dim() == 1:
                values.fill_(float(name.endswith("weight")))  # 1 in norms; no biases
            else:  # activations keep their size from layer to layer
                is_embedding = name.endswith(("embed_tokens.weight", "position_embedding.weight"))
                std = 0.5 if is_embedding else 1 / math.sqrt(values[0].numel())
                values.normal_(0.0, std, generator=generator)
            set_parameter(module, name, values)
    module.to(device)


@torch.inference_mode()
def answer_with_letters(model: Llava, queries: Sequence[str], inputs: Sequence[np.ndarray]) -> None:
    """Let every answer be A or B, which the image decides, and end after it.

    Args:
        model: as `random_model` makes it; its output layer is changed in place.
        queries: of the kinds that will be asked.
        inputs: at least two preprocessed images that differ.
    """
    states = last_states(model, queries, inputs)
    mean = states.mean(dim=(0, 1))
    loud = LOUDNESS * mean / mean.square().sum()  # [D], its product with the mean is LOUDNESS
    apart = SPREAD * direction_of_images(states)
    head = model.language_model.lm_head.weight
    letters = _letters(model)
    head.mul_(0.25).sub_(loud.to(head))
    head[letters] = torch.stack([loud + apart, loud - apart]).to(head)
    head[:, -1] = 0
    head[letters, -1] = -1  # no letter follows a letter, and all else ends the answer
    model.end_ids = frozenset(range(len(head))) - set(letters)


def last_states(model: Llava, queries: Sequence[str], inputs: Sequence[np.ndarray]) -> Tensor:
    """The output layer's input at the last position, float32[queries, B, D]."""
    fed: list[Tensor] = []
    head = model.language_model.lm_head
    hook = head.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    images = model.encode(inputs)
    try:
        for query in queries:
            prompt = model.tokenize(query)
            for image in images:  # one at a time: as little memory as any variant takes
                model.prefill([prompt], [image], [()])
    finally:
        hook.remove()
    return torch.cat(fed).reshape(len(queries), len(images), -1).float()


def _letters(model: Llava) -> list[int]:
    return [model.option_id(letter) for letter in "AB"]


def direction_of_images(states: Tensor) -> Tensor:
    """Direction float32[D] in which states differ most between images, never between queries.

    Its products with the states float32[queries, B, D] have mean 0 for every query and standard
    deviation 1 over all.
    """
    means = states.mean(dim=1)  # [queries, D]
    basis = torch.linalg.qr(means.T).Q
    deviations = (states - means[:, None]).flatten(0, 1)
    deviations = deviations - deviations @ basis @ basis.T
    direction = torch.linalg.svd(deviations, full_matrices=False).Vh[0]
    return direction / (deviations @ direction).std()
