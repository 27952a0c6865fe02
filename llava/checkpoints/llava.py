"""Assembly of a LLaVA-1.5 from a checkpoint in its original format."""

import re
from pathlib import Path

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import CLIPVisionConfig, LlamaTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from llava.checkpoints.files import locate, read_json
from llava.checkpoints.llava_config import LlavaConfig, end_ids, read_config
from llava.checkpoints.parts import (
    build_language_model,
    load_preprocessing,
    load_tokenizer,
    read_tower,
)
from llava.checkpoints.weights import has_weights, load_weights
from llava.conversation import VICUNA_V1, Conversation
from llava.errors import CheckpointError, checkpoint_errors
from llava.model import Llava
from llava.projector import build_projector
from llava.prompt import PromptTokenizer
from llava.vision import VisionTower

EMBEDDED_TOWER = "model.vision_tower.vision_tower."
"""Where a checkpoint keeps its own vision tower, if it has one."""

ROTARY_BUFFER = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
CLIP_EXTRAS = re.compile(
    r"text_model\.|visual_projection\.|text_projection\.|logit_scale$|.*\.position_ids$"
)


def load_llava(
    model_path: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    vision_dtype: torch.dtype | None = None,
    conversation: Conversation = VICUNA_V1,
) -> Llava:
    """A LLaVA-1.5, ready for inference.

    Args:
        model_path: a local folder or a hub id ("liuhaotian/llava-v1.5-7b").
        device: where all of it goes.
        dtype: of language model and projector.
        vision_dtype: of the vision tower; None: the same. The original code left the tower in
            float32 under its default device map, and in float16 otherwise.
        conversation: template of the prompts.

    Raises:
        CheckpointError: missing, incomplete, of another family, or weights that do not fit.
    """
    folder = locate(model_path, "model")
    config = read_config(folder)
    tower_folder = locate(config.mm_vision_tower, "vision tower", inside=folder)
    model = _assemble(folder, tower_folder, config, conversation)
    _fill(model, folder, tower_folder, config, torch.device(device), dtype, vision_dtype or dtype)
    return model.eval()


def _assemble(
    folder: Path, tower_folder: Path, config: LlavaConfig, conversation: Conversation
) -> Llava:
    """All parts, their parameters still on the meta device."""
    path = folder / "config.json"
    if not (end := end_ids(config.language)):
        raise CheckpointError(f"{path}: eos_token_id names no id, so no answer would ever end")
    language_model = build_language_model(config.language, path)
    clip = _tower_config(tower_folder, config)
    with checkpoint_errors(path), init_empty_weights(include_buffers=False):
        projector = build_projector(
            config.mm_projector_type, config.mm_hidden_size, config.language.hidden_size
        )
        vision_tower = VisionTower(
            clip, config.mm_vision_select_layer, config.mm_vision_select_feature
        )
    tokenizer = load_tokenizer(LlamaTokenizer, folder, ("tokenizer.model", "tokenizer.json"))
    with checkpoint_errors(folder):
        prompts = PromptTokenizer(tokenizer, conversation)
    preprocess = load_preprocessing(
        CLIPImageProcessorPil, tower_folder, config.image_aspect_ratio, vision_tower.image_size
    )
    return Llava(language_model, projector, vision_tower, prompts, preprocess, end)


def _tower_config(folder: Path, config: LlavaConfig) -> CLIPVisionConfig:
    stored, path = read_json(folder, "config.json"), folder / "config.json"
    if not str(stored.get("model_type", "")).startswith("clip"):
        raise CheckpointError(
            f"{folder}: vision tower must be a CLIP, got model_type '{stored.get('model_type')}'"
        )
    clip = read_tower(CLIPVisionConfig, stored.get("vision_config", stored), path)
    if clip.hidden_size != config.mm_hidden_size:
        raise CheckpointError(
            f"{folder}: the vision tower is {clip.hidden_size} wide, the model expects "
            f"{config.mm_hidden_size} (mm_hidden_size)"
        )
    return clip


def _fill(
    model: Llava,
    folder: Path,
    tower_folder: Path,
    config: LlavaConfig,
    device: torch.device,
    dtype: torch.dtype,
    vision_dtype: torch.dtype,
) -> None:
    """Load every weight; the tower's from the checkpoint itself where it was trained with it."""
    parts = nn.ModuleDict(
        {"language_model": model.language_model, "mm_projector": model.mm_projector}
    )
    load_weights(parts, folder, _model_target, device, dtype)
    tower, depth = model.vision_tower.vision_model, model.vision_tower.num_layers
    if config.unfreeze_mm_vision_tower and has_weights(folder, EMBEDDED_TOWER):
        load_weights(
            tower, folder, lambda name: _embedded_target(name, depth), device, vision_dtype
        )
    else:
        load_weights(
            tower, tower_folder, lambda name: _tower_target(name, depth), device, vision_dtype
        )
    model.language_model.tie_weights()  # to the embedding that has just been filled
    model.to(device)  # the buffers, which no checkpoint holds


def _model_target(name: str) -> str | None:
    """The name of a stored weight in the module; None for what is known to be extra."""
    if ROTARY_BUFFER.fullmatch(name) or name.startswith(EMBEDDED_TOWER):
        return None
    if name.startswith("model.mm_projector."):
        return name.removeprefix("model.")
    return f"language_model.{name}"


def _embedded_target(name: str, num_layers: int) -> str | None:
    """Likewise for a tower inside the checkpoint, among the language model's weights."""
    if not name.startswith(EMBEDDED_TOWER):
        return None
    return _tower_target(name.removeprefix(EMBEDDED_TOWER), num_layers)


def _tower_target(name: str, num_layers: int) -> str | None:
    """The name of a stored CLIP weight in the tower; None for text tower and unread layers."""
    name = name.removeprefix("vision_model.")
    return None if CLIP_EXTRAS.match(name) or beyond_depth(name, num_layers) else name


def beyond_depth(name: str, num_layers: int) -> bool:
    """Whether a weight of a vision tower belongs to a layer after the first so many."""
    layer = re.match(r"encoder\.layers\.(\d+)\.", name)
    return layer is not None and int(layer[1]) >= num_layers
