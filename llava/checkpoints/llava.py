"""A LLaVA-1.5 checkpoint in its original format: one folder, and that of its vision tower."""

import re
from pathlib import Path
from typing import Any

from msgspec import Struct
from torch import nn
from transformers import CLIPVisionConfig, LlamaTokenizer, PreTrainedTokenizerBase

from llava.checkpoints.checkpoint import Checkpoint, Recipe
from llava.checkpoints.files import locate, read_json, weight_files
from llava.checkpoints.parts import (
    end_ids,
    llama_config,
    load_tokenizer,
    read_tower,
    require_plain_image,
)
from llava.checkpoints.unusable import require_merged
from llava.checkpoints.values import Name, Size, checked
from llava.checkpoints.weights import ROTARY_BUFFER, has_weights
from llava.conversation import VICUNA_V1
from llava.errors import CheckpointError
from llava.model import Llava
from llava.projector import build_projector

MODEL_TYPES = ("llava", "llava_llama")
ASPECT_RATIOS = ("pad", "square", None)

EMBEDDED_TOWER = "model.vision_tower.vision_tower."
"""Prefix of the vision tower's weights inside a checkpoint, if it has its own."""

CLIP_EXTRAS = re.compile(
    r"text_model\.|visual_projection\.|text_projection\.|logit_scale$|.*\.position_ids$"
)


class Multimodal(Struct, frozen=True, kw_only=True):
    """Settings of `config.json` beside the language model's, in the original's words."""

    mm_vision_tower: Name
    mm_projector_type: str = "linear"
    mm_hidden_size: Size
    mm_vision_select_layer: int = -2
    mm_vision_select_feature: str = "patch"
    image_aspect_ratio: str | None = None
    unfreeze_mm_vision_tower: bool | None = None
    """Whether the tower was trained too; then its weights lie inside the checkpoint."""


def inspect_llava(folder: Path, stored: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a folder ("liuhaotian/llava-v1.5-7b"), given its `config.json`.

    Raises:
        CheckpointError: the folder holds another family, a setting LLaVA-1.5 does not have, or
            something else than a checkpoint; a file is missing.
    """
    path = folder / "config.json"
    require_merged(folder)
    _check_family(stored, folder)
    multimodal = checked(Multimodal, stored, path)
    language = llama_config(stored, path, folder)
    if not end_ids(language):
        raise CheckpointError(f"{path}: eos_token_id names no id, so no answer would ever end")
    weight_files(folder)
    tower_folder = locate(multimodal.mm_vision_tower, "vision tower", inside=folder)
    weight_files(tower_folder)
    inside, trained = has_weights(folder, EMBEDDED_TOWER), multimodal.unfreeze_mm_vision_tower
    recipe = Recipe(
        language=language,
        language_folder=folder,
        load_tokenizer=_load_tokenizer,
        build_projector=lambda: build_projector(
            multimodal.mm_projector_type, multimodal.mm_hidden_size, language.hidden_size
        ),
        tower=_tower_config(tower_folder, multimodal),
        tower_folder=tower_folder,
        select_layer=multimodal.mm_vision_select_layer,
        select_feature=multimodal.mm_vision_select_feature,
        image_aspect_ratio=multimodal.image_aspect_ratio,
        weights=((_language_and_projector, folder, _model_name),),
        tower_weights=(
            (folder, _embedded_name) if trained and inside else (tower_folder, _tower_name)
        ),
    )
    notes = _tower_notes(path, multimodal, inside=inside)
    folders = (folder, tower_folder)
    return Checkpoint(folder, "llava-1.5", folders, recipe, VICUNA_V1, "family", notes=notes)


def _check_family(stored: dict[str, Any], folder: Path) -> None:
    model_type = stored.get("model_type")
    if "vision_config" in stored:
        raise CheckpointError(
            f"{folder} is in transformers' own LLaVA format (llava-hf); the original format is "
            "needed, for example liuhaotian/llava-v1.5-7b"
        )
    if model_type not in MODEL_TYPES:
        raise CheckpointError(
            f"{folder}: model_type must be one of {', '.join(MODEL_TYPES)}, got '{model_type}'"
        )
    for key in ("mm_vision_tower", "mm_hidden_size", "hidden_size", "num_hidden_layers"):
        if key not in stored:
            raise CheckpointError(f"{folder}/config.json: {key} is missing; is this a LLaVA-1.5?")
    require_plain_image(stored, folder)
    if (ratio := stored.get("image_aspect_ratio")) not in ASPECT_RATIOS:
        raise CheckpointError(
            f"{folder}: image_aspect_ratio must be pad, square or absent, got '{ratio}'"
        )


def _tower_config(folder: Path, multimodal: Multimodal) -> CLIPVisionConfig:
    stored, path = read_json(folder, "config.json"), folder / "config.json"
    if not str(stored.get("model_type", "")).startswith("clip"):
        raise CheckpointError(
            f"{folder}: vision tower must be a CLIP, got model_type '{stored.get('model_type')}'"
        )
    clip = read_tower(CLIPVisionConfig, stored.get("vision_config", stored), path)
    if clip.hidden_size != multimodal.mm_hidden_size:
        raise CheckpointError(
            f"{folder}: the vision tower is {clip.hidden_size} wide, the model expects "
            f"{multimodal.mm_hidden_size} (mm_hidden_size)"
        )
    return clip


def _tower_notes(path: Path, multimodal: Multimodal, *, inside: bool) -> tuple[str, ...]:
    """The vision tower that is read where flag and weights disagree, as the original code does."""
    trained, tower = bool(multimodal.unfreeze_mm_vision_tower), multimodal.mm_vision_tower
    where = f"{path} says unfreeze_mm_vision_tower: {str(trained).lower()}"
    if inside and not trained:
        return (
            f"the weights hold a vision_tower of their own, but {where}: the one in {tower} is "
            "used. Set it to true to use the one inside",
        )
    if trained and not inside:
        return (
            f"{where}, but the weights hold no vision_tower: the one in {tower} is used, which "
            "may not be the one that was trained",
        )
    return ()


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(LlamaTokenizer, folder, ("tokenizer.model", "tokenizer.json"))


def _language_and_projector(model: Llava) -> nn.Module:
    return nn.ModuleDict(
        {"language_model": model.language_model, "mm_projector": model.mm_projector}
    )


def _model_name(stored: str) -> str | None:
    """Name of a stored weight in language model and projector; None: known to be extra."""
    if ROTARY_BUFFER.fullmatch(stored) or stored.startswith(EMBEDDED_TOWER):
        return None
    if stored.startswith("model.mm_projector."):
        return stored.removeprefix("model.")
    return f"language_model.{stored}"


def _embedded_name(stored: str) -> str | None:
    """Name in the tower of a weight stored inside the checkpoint; None: of another part."""
    if not stored.startswith(EMBEDDED_TOWER):
        return None
    return _tower_name(stored.removeprefix(EMBEDDED_TOWER))


def _tower_name(stored: str) -> str | None:
    """Name in the tower of a weight stored in CLIP's own folder; None: of CLIP's text part."""
    name = stored.removeprefix("vision_model.")
    return None if CLIP_EXTRAS.match(name) else name
