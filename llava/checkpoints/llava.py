"""A LLaVA-1.5 checkpoint in its original format: one folder, and that of its vision tower."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from transformers import CLIPVisionConfig, LlamaTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from llava.checkpoints.checkpoint import Checkpoint
from llava.checkpoints.files import locate, read_json, weight_files
from llava.checkpoints.parts import (
    PLAIN_IMAGE,
    Allowed,
    end_ids,
    llama_config,
    load_preprocessing,
    load_tokenizer,
    read_tower,
    require_settings,
)
from llava.checkpoints.unusable import require_merged
from llava.checkpoints.values import Name, Size, checked
from llava.checkpoints.weights import StoredWeights, has_weights, language_name, tower_name
from llava.conversation import VICUNA_V1
from llava.errors import CheckpointError
from llava.projector import build_projector
from llava.vision import VisionTower

SETTINGS: Allowed = {
    "model_type": ("llava", "llava_llama"),
    "image_aspect_ratio": ("pad", "square", None),
    **PLAIN_IMAGE,
}
"""Values that settings of `config.json` may have."""

EMBEDDED_TOWER = "model.vision_tower.vision_tower."
"""Prefix of the vision tower's weights inside a checkpoint, if it has its own."""

CLIP_EXTRAS = re.compile(
    r"text_model\.|visual_projection\.|text_projection\.|logit_scale$|.*\.position_ids$"
)
"""Parts of CLIP that read text, and a buffer that old files hold."""


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
    if "vision_config" in stored:
        raise CheckpointError(
            f"{folder} is in transformers' own LLaVA format (llava-hf); the original format is "
            "needed, for example liuhaotian/llava-v1.5-7b"
        )
    require_settings(stored, SETTINGS, path)
    multimodal = checked(Multimodal, stored, path)
    language = llama_config(stored, path, folder)
    if not end_ids(language):
        raise CheckpointError(f"{path}: eos_token_id names no id, so no answer would ever end")
    weight_files(folder)
    tower_folder = locate(multimodal.mm_vision_tower, "vision tower", inside=folder)
    weight_files(tower_folder)
    tower = read_tower(
        CLIPVisionConfig, read_json(tower_folder, "config.json"), tower_folder / "config.json"
    )
    if tower.hidden_size != (width := multimodal.mm_hidden_size):
        raise CheckpointError(
            f"{tower_folder}: the vision tower is {tower.hidden_size} wide, the model expects "
            f"{width} (mm_hidden_size)"
        )
    inside, trained = has_weights(folder, EMBEDDED_TOWER), multimodal.unfreeze_mm_vision_tower
    own, outside = (folder, _embedded_name), (tower_folder, partial(tower_name, CLIP_EXTRAS))
    return Checkpoint(
        folder=folder,
        family="llava-1.5",
        folders=(folder, tower_folder),
        conversation=VICUNA_V1,
        conversation_source="family",
        notes=_tower_notes(path, multimodal, inside=inside),
        language=language,
        load_tokenizer=partial(
            load_tokenizer, LlamaTokenizer, folder, ("tokenizer.model", "tokenizer.json")
        ),
        build_projector=partial(
            build_projector, multimodal.mm_projector_type, width, language.hidden_size
        ),
        build_tower=partial(
            VisionTower,
            tower,
            multimodal.mm_vision_select_layer,
            multimodal.mm_vision_select_feature,
        ),
        load_preprocessing=partial(
            load_preprocessing, CLIPImageProcessorPil, tower_folder, multimodal.image_aspect_ratio
        ),
        weights=(
            StoredWeights(("language_model", "mm_projector"), folder, _model_name),
            StoredWeights(("vision_tower",), *(own if trained and inside else outside)),
        ),
    )


def _tower_notes(path: Path, multimodal: Multimodal, *, inside: bool) -> tuple[str, ...]:
    """The vision tower that is read where flag and weights disagree, as the original code does."""
    trained, tower = bool(multimodal.unfreeze_mm_vision_tower), multimodal.mm_vision_tower
    if inside == trained:
        return ()
    where = f"{path} says unfreeze_mm_vision_tower: {str(trained).lower()}"
    return (
        f"the weights hold a vision_tower of their own, but {where}: the one in {tower} is used. "
        "Set it to true to use the one inside"
        if inside
        else f"{where}, but the weights hold no vision_tower: the one in {tower} is used, which "
        "may not be the one that was trained",
    )


def _model_name(stored: str) -> str | None:
    """Name in the model of a stored weight but the vision tower's; None: known to be extra."""
    if stored.startswith(EMBEDDED_TOWER):
        return None
    if stored.startswith("model.mm_projector."):
        return stored.removeprefix("model.")
    return language_name(stored)


def _embedded_name(stored: str) -> str | None:
    """Name in the model of a weight of the tower inside the checkpoint; None: of another part."""
    if not stored.startswith(EMBEDDED_TOWER):
        return None
    return tower_name(CLIP_EXTRAS, stored.removeprefix(EMBEDDED_TOWER))
