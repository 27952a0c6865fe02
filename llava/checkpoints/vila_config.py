"""The part of a VILA-1.5 checkpoint's configuration that inference reads."""

from pathlib import Path
from typing import Any

from msgspec import Struct, structs
from transformers import LlamaConfig, SiglipVisionConfig

from llava.checkpoints.files import read_json
from llava.checkpoints.llava_config import llama_config, require_plain_image
from llava.checkpoints.parts import read_tower
from llava.checkpoints.unusable import require_merged, require_unquantised
from llava.checkpoints.values import checked
from llava.conversation import LLAMA_3, LLAMA_3_FIX, Conversation
from llava.errors import CheckpointError

PARTS = LANGUAGE, TOWER, PROJECTOR = ("llm", "vision_tower", "mm_projector")
"""The folders of a checkpoint, each with a configuration and weights of its own."""

IMAGE_ASPECT_RATIO = "resize"
SELECT_FEATURE = "cls_patch"
SETTINGS = {
    "image_aspect_ratio": IMAGE_ASPECT_RATIO,
    "mm_vision_select_feature": SELECT_FEATURE,
    "s2": False,
}
"""The value that settings of the root configuration have, where they are there."""

MODEL_TYPES = {
    LANGUAGE: ("model_type", "llama"),
    PROJECTOR: ("mm_projector_type", "mlp_downsample"),
}
"""What tells that a part is VILA-1.5's."""

ORIGINAL_NAME = "./checkpoints/vila-siglip-llama3-8b-pretrain_r4/llm"
"""`_name_or_path` of Llama-3-VILA1.5-8B's language model."""

FIX_NAME_LENGTH = len(ORIGINAL_NAME) + 32
"""All that is known of that of Llama-3-VILA1.5-8B-Fix: its file is 32 bytes longer."""


class Root(Struct, frozen=True, kw_only=True):
    """What the root configuration says of more than a part."""

    mm_vision_select_layer: int = -2


class VilaConfig(Root, frozen=True, kw_only=True):
    """Configuration of one checkpoint, in the original's words."""

    language: LlamaConfig
    tower: SiglipVisionConfig
    recorded_name: str
    """Where the language model was trained, as its configuration says; empty where it does not."""


def is_vila(stored: dict[str, Any]) -> bool:
    """Whether a root configuration is that of a checkpoint in three folders."""
    return any(f"{part}_cfg" in stored for part in PARTS)


def read_vila_config(folder: Path, root: dict[str, Any]) -> VilaConfig:
    """The configuration of a VILA-1.5 with a Llama-3, checked, given its `config.json`.

    Raises:
        CheckpointError: a part is missing, or something is not as in VILA-1.5.
    """
    require_merged(folder)
    require_plain_image(root, folder)
    require_unquantised(root, folder / "config.json")
    for key, expected in SETTINGS.items():
        if (value := root.get(key, expected)) != expected:
            raise CheckpointError(f"{folder}: {key} must be {expected}, got '{value}'")
    parts = {part: _part_config(folder, root, part) for part in PARTS}
    for part, (key, expected) in MODEL_TYPES.items():
        stored, place = parts[part]
        if (value := stored.get(key)) != expected:
            raise CheckpointError(
                f"{place}: {key} must be {expected} (VILA-1.5 with Llama-3, for example "
                f"Efficient-Large-Model/Llama-3-VILA1.5-8B), got '{value}'"
            )
    language, place = parts[LANGUAGE]
    return VilaConfig(
        language=llama_config(language, place, folder / LANGUAGE),
        tower=_tower_config(*parts[TOWER]),
        recorded_name=str(language.get("_name_or_path", "")),
        **structs.asdict(checked(Root, root, folder / "config.json")),
    )


def _tower_config(stored: dict[str, Any], place: str) -> SiglipVisionConfig:
    if not str(stored.get("model_type", "")).startswith("siglip"):
        raise CheckpointError(
            f"{place}: vision tower must be a SigLIP, got model_type '{stored.get('model_type')}'"
        )
    return read_tower(SiglipVisionConfig, stored, place)


def _part_config(folder: Path, root: dict[str, Any], part: str) -> tuple[dict[str, Any], str]:
    """A part's own `config.json`, or the root's copy of it where there is none; and its place."""
    nested, own = root.get(f"{part}_cfg"), folder / part / "config.json"
    if isinstance(nested, dict) and not own.is_file():
        return nested, f"{folder / 'config.json'}, {part}_cfg"
    return read_json(own.parent, own.name), str(own)


def recorded_conversation(recorded_name: str) -> Conversation | None:
    """The template that a checkpoint was trained with, by its recorded name; None: not told."""
    if recorded_name == ORIGINAL_NAME:
        return LLAMA_3
    words = recorded_name.lower().replace("/", "-").replace("_", "-").split("-")
    if "fix" in words or len(recorded_name) == FIX_NAME_LENGTH:
        return LLAMA_3_FIX
    return None
