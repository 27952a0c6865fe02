"""A LLaVA-1.5 checkpoint in its original format: one folder, and that of its vision tower."""

import re
from pathlib import Path
from typing import Any

from torch import nn
from transformers import CLIPVisionConfig, LlamaTokenizer, PreTrainedTokenizerBase

from llava.checkpoints.checkpoint import Checkpoint, Recipe
from llava.checkpoints.files import locate, read_json, weight_files
from llava.checkpoints.llava_config import LlavaConfig, read_config
from llava.checkpoints.parts import load_tokenizer, read_tower
from llava.checkpoints.weights import ROTARY_BUFFER, has_weights
from llava.conversation import VICUNA_V1
from llava.errors import CheckpointError
from llava.model import Llava
from llava.projector import build_projector

EMBEDDED_TOWER = "model.vision_tower.vision_tower."
"""Prefix of the vision tower's weights inside a checkpoint, if it has its own."""

CLIP_EXTRAS = re.compile(
    r"text_model\.|visual_projection\.|text_projection\.|logit_scale$|.*\.position_ids$"
)


def inspect_llava(folder: Path, stored: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a folder ("liuhaotian/llava-v1.5-7b"), given its `config.json`.

    Raises:
        CheckpointError: it is incomplete, or of no known family.
    """
    config = read_config(folder, stored)
    weight_files(folder)
    tower_folder = locate(config.mm_vision_tower, "vision tower", inside=folder)
    weight_files(tower_folder)
    trained, inside = bool(config.unfreeze_mm_vision_tower), has_weights(folder, EMBEDDED_TOWER)
    recipe = Recipe(
        language=config.language,
        language_place=folder / "config.json",
        tokenizer_folder=folder,
        load_tokenizer=_load_tokenizer,
        build_projector=lambda: build_projector(
            config.mm_projector_type, config.mm_hidden_size, config.language.hidden_size
        ),
        tower=_tower_config(tower_folder, config),
        tower_folder=tower_folder,
        select_layer=config.mm_vision_select_layer,
        select_feature=config.mm_vision_select_feature,
        image_aspect_ratio=config.image_aspect_ratio,
        weights=((_language_and_projector, folder, _model_name),),
        tower_weights=(
            (folder, _embedded_name) if trained and inside else (tower_folder, _tower_name)
        ),
    )
    return Checkpoint(
        folder,
        "llava-1.5",
        config.language.num_hidden_layers,
        (folder, tower_folder),
        VICUNA_V1,
        "family",
        recipe,
        notes=_tower_notes(folder, config.mm_vision_tower, trained=trained, inside=inside),
    )


def _tower_notes(folder: Path, tower: str, *, trained: bool, inside: bool) -> tuple[str, ...]:
    """The vision tower that is read where flag and weights disagree, as the original code does."""
    if trained == inside:
        return ()
    where = f"{folder / 'config.json'} says unfreeze_mm_vision_tower: {str(trained).lower()}"
    if inside:
        return (
            f"the weights hold a vision_tower of their own, but {where}: the one in {tower} is "
            "used. Set it to true to use the one inside",
        )
    return (
        f"{where}, but the weights hold no vision_tower: the one in {tower} is used, which may not "
        "be the one that was trained",
    )


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(LlamaTokenizer, folder, ("tokenizer.model", "tokenizer.json"))


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
