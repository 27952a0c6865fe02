"""The part of a LLaVA-1.5 checkpoint's configuration that inference reads."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from transformers import LlamaConfig

from llava.checkpoint import read_json
from llava.errors import CheckpointError, checkpoint_errors

MODEL_TYPES = ("llava", "llava_llama")
ASPECT_RATIOS = ("pad", "square", None)


@dataclass(frozen=True)
class LlavaConfig:
    """Configuration of one checkpoint, in the original's words."""

    language: LlamaConfig
    mm_vision_tower: str
    mm_projector_type: str
    mm_hidden_size: int
    mm_vision_select_layer: int
    mm_vision_select_feature: str
    image_aspect_ratio: str | None
    unfreeze_mm_vision_tower: bool
    """Whether the tower was trained too; then its weights lie inside the checkpoint."""


def read_config(folder: Path) -> LlavaConfig:
    """The configuration of a LLaVA-1.5 checkpoint in its original format.

    Raises:
        CheckpointError: the folder holds another family, or a setting LLaVA-1.5 does not have.
    """
    stored = read_json(folder, "config.json")
    _check_family(stored, folder)
    return LlavaConfig(
        language=llama_config(stored, folder),
        mm_vision_tower=stored["mm_vision_tower"],
        mm_projector_type=stored.get("mm_projector_type", "linear"),
        mm_hidden_size=stored["mm_hidden_size"],
        mm_vision_select_layer=stored.get("mm_vision_select_layer", -2),
        mm_vision_select_feature=stored.get("mm_vision_select_feature", "patch"),
        image_aspect_ratio=stored.get("image_aspect_ratio"),
        unfreeze_mm_vision_tower=bool(stored.get("unfreeze_mm_vision_tower", False)),
    )


def llama_config(stored: dict[str, Any], folder: Path) -> LlamaConfig:
    """The language model's part of a `config.json`.

    Raises:
        CheckpointError: LLaMA cannot be so.
    """
    names = {f.name for f in fields(LlamaConfig)} | {"rope_theta", "rope_scaling"}
    # model_type is the original's, and dtype is chosen when loading, not read.
    language = {k: v for k, v in stored.items() if k in names - {"model_type", "dtype"}}
    with checkpoint_errors(folder / "config.json"):
        config = LlamaConfig.from_dict(language, attn_implementation="sdpa")
    if config.hidden_act != "silu":
        raise CheckpointError(
            f"{folder}: hidden_act must be silu, as every LLaMA has it, got '{config.hidden_act}'"
        )
    return config


def require_plain_image(stored: dict[str, Any], folder: Path) -> None:
    """Raise `CheckpointError` where tokens of their own stand around an image."""
    if stored.get("mm_use_im_start_end") or stored.get("mm_use_im_patch_token"):
        raise CheckpointError(
            f"{folder}: mm_use_im_start_end and mm_use_im_patch_token must be false"
        )


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
