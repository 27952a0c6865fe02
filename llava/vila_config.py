"""The part of a VILA-1.5 checkpoint's configuration that inference reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import LlamaConfig

from llava.checkpoint import read_json
from llava.config import llama_config, require_plain_image
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


@dataclass(frozen=True)
class VilaConfig:
    """Configuration of one checkpoint, in the original's words."""

    language: LlamaConfig
    tower: dict[str, Any]
    """SigLIP's settings."""
    mm_vision_select_layer: int
    recorded_name: str
    """Where the language model was trained, as its configuration says; empty where it does not."""


def is_vila(stored: dict[str, Any]) -> bool:
    """Whether a root configuration is that of a checkpoint in three folders."""
    return any(f"{part}_cfg" in stored for part in PARTS)


def read_vila_config(folder: Path) -> VilaConfig:
    """The configuration of a VILA-1.5 checkpoint with a Llama-3.

    Raises:
        CheckpointError: a part is missing, or something is not as in VILA-1.5.
    """
    root = read_json(folder, "config.json")
    require_plain_image(root, folder)
    for key, expected in SETTINGS.items():
        if (value := root.get(key, expected)) != expected:
            raise CheckpointError(f"{folder}: {key} must be {expected}, got '{value}'")
    parts = {part: _part_config(folder, root, part) for part in PARTS}
    for part, (key, expected) in MODEL_TYPES.items():
        if (value := parts[part].get(key)) != expected:
            raise CheckpointError(
                f"{folder / part}: {key} must be {expected} (VILA-1.5 with Llama-3, for example "
                f"Efficient-Large-Model/Llama-3-VILA1.5-8B), got '{value}'"
            )
    return VilaConfig(
        language=llama_config(parts[LANGUAGE], folder / LANGUAGE),
        tower=parts[TOWER],
        mm_vision_select_layer=root.get("mm_vision_select_layer", -2),
        recorded_name=str(parts[LANGUAGE].get("_name_or_path", "")),
    )


def _part_config(folder: Path, root: dict[str, Any], part: str) -> dict[str, Any]:
    """A part's own `config.json`; where there is none, the root's copy of it."""
    nested = root.get(f"{part}_cfg")
    if isinstance(nested, dict) and not (folder / part / "config.json").is_file():
        return nested
    return read_json(folder / part, "config.json")


def recorded_conversation(recorded_name: str) -> Conversation | None:
    """The template that a checkpoint was trained with, by its recorded name; None: not told."""
    if recorded_name == ORIGINAL_NAME:
        return LLAMA_3
    words = recorded_name.lower().replace("/", "-").replace("_", "-").split("-")
    if "fix" in words or len(recorded_name) == FIX_NAME_LENGTH:
        return LLAMA_3_FIX
    return None
