"""Parts that both families build alike from a checkpoint's files, and what is checked of them."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import init_empty_weights
from msgspec import to_builtins
from PIL import Image
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    SiglipVisionConfig,
)
from transformers.activations import ACT2FN
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from llava.checkpoints.files import read_json
from llava.checkpoints.unusable import require_content, require_unquantised
from llava.checkpoints.values import Preprocessor, Tower, checked
from llava.errors import CheckpointError, checkpoint_errors
from llava.image import ImageProcessor

TowerConfig = TypeVar("TowerConfig", CLIPVisionConfig, SiglipVisionConfig)

TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def read_tower(kind: type[TowerConfig], stored: Any, place: Path | str) -> TowerConfig:
    """The configuration of a vision tower.

    Raises:
        CheckpointError: it cannot be so, or its weights are quantised.
    """
    values = checked(Tower, stored, place)
    require_unquantised(stored, place)
    with checkpoint_errors(place):
        config = kind(**to_builtins(values))
    if config.hidden_act not in ACT2FN:
        raise CheckpointError(f"{place}: hidden_act '{config.hidden_act}' is not known")
    return config


def build_language_model(config: LlamaConfig, place: Path) -> LlamaForCausalLM:
    """LLaMA, its parameters on the meta device, tied where the configuration says so.

    Raises:
        CheckpointError: it cannot be built so, or its rotary embedding is not finite.
    """
    with checkpoint_errors(place), init_empty_weights(include_buffers=False):
        model = LlamaForCausalLM(config)
    model.tie_weights()  # one parameter then, to fill once
    if not torch.isfinite(model.model.rotary_emb.inv_freq).all():
        raise CheckpointError(f"{place}: rope_theta and rope_scaling give no finite frequencies")
    return model


def load_tokenizer(
    kind: type[PreTrainedTokenizerBase], folder: Path, files: tuple[str, ...], **options: Any
) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder.

    Args:
        kind: its class.
        folder: the folder.
        files: vocabularies, the usual one first, of which one at least must be there.
        options: of the class.

    Raises:
        CheckpointError: there is none, or a file of it cannot be read.
    """
    there = [name for name in files if (folder / name).is_file()]
    if not there:
        raise CheckpointError(f"checkpoint incomplete: no {files[0]} in {folder}")
    for name in (*there, *(n for n in TOKENIZER_SETTINGS if (folder / n).exists())):
        read_json(folder, name) if name.endswith(".json") else require_content(folder / name)
    with checkpoint_errors(f"the tokenizer in {folder} ({', '.join(there)}) cannot be read"):
        return kind.from_pretrained(folder, **options)


def load_preprocessing(
    tower: CLIPVisionConfig | SiglipVisionConfig,
    folder: Path,
    image_aspect_ratio: str | None,
    side: int,
) -> ImageProcessor:
    """Preprocessing of a vision tower that reads square images of so many pixels a side.

    Raises:
        CheckpointError: it cannot be so, or makes images of another size.
    """
    clip = isinstance(tower, CLIPVisionConfig)
    kind = CLIPImageProcessorPil if clip else SiglipImageProcessorPil
    path = folder / "preprocessor_config.json"
    stored = read_json(folder, path.name)
    checked(Preprocessor, stored, path)
    with checkpoint_errors(path):
        preprocess = ImageProcessor(kind(**stored), image_aspect_ratio)
        made = tuple(preprocess(Image.new("RGB", (3, 2))).shape)
    if made != (3, side, side):
        raise CheckpointError(
            f"{path}: size and crop_size make images of {made}, the vision tower reads "
            f"{(3, side, side)} (image_size in {folder / 'config.json'})"
        )
    return preprocess
