"""A VILA-1.5 checkpoint with a Llama-3 in its original format: three folders."""

import re
from pathlib import Path
from typing import Any

from msgspec import Struct
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, SiglipVisionConfig

from llava.checkpoints.checkpoint import Checkpoint, Recipe
from llava.checkpoints.files import read_json, weight_files
from llava.checkpoints.parts import (
    llama_config,
    load_tokenizer,
    read_tower,
    require_plain_image,
)
from llava.checkpoints.unusable import require_merged, require_unquantised
from llava.checkpoints.values import checked
from llava.checkpoints.weights import ROTARY_BUFFER
from llava.conversation import LLAMA_3, LLAMA_3_FIX, Conversation
from llava.errors import CheckpointError
from llava.projector import DownsampleProjector

PARTS = LANGUAGE, TOWER, PROJECTOR = ("llm", "vision_tower", "mm_projector")
"""The folders of a checkpoint, each with a configuration and weights of its own."""

SETTINGS = {
    "image_aspect_ratio": "resize",
    "mm_vision_select_feature": "cls_patch",
    "s2": False,
}
"""The value that settings of the root configuration have, where they are there."""

MODEL_TYPES = {
    LANGUAGE: ("model_type", "llama"),
    PROJECTOR: ("mm_projector_type", "mlp_downsample"),
}
"""The setting that tells that a part is VILA-1.5's."""

ORIGINAL_NAME = "./checkpoints/vila-siglip-llama3-8b-pretrain_r4/llm"
"""`_name_or_path` of Llama-3-VILA1.5-8B's language model."""

FIX_NAME_LENGTH = len(ORIGINAL_NAME) + 32
"""All that is known of that of Llama-3-VILA1.5-8B-Fix: its file is 32 bytes longer."""

END_OF_TURN = "<|eot_id|>"
"""Ends an answer too, whichever template it stands in."""

SIGLIP_EXTRAS = re.compile(r"head\.|post_layernorm\.|embeddings\.position_ids$")
"""Parts of SigLIP that come after all that is read, and a buffer that old files hold."""


class Root(Struct, frozen=True, kw_only=True):
    """Settings of the root configuration beside its parts."""

    mm_vision_select_layer: int = -2


def is_vila(stored: dict[str, Any]) -> bool:
    """Whether a root configuration is that of a checkpoint in three folders."""
    return any(f"{part}_cfg" in stored for part in PARTS)


def inspect_vila(folder: Path, root: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a folder ("Efficient-Large-Model/Llama-3-VILA1.5-8B") and `config.json`.

    Raises:
        CheckpointError: a part is missing, or something is not as in VILA-1.5.
    """
    require_merged(folder)
    _check_root(root, folder)
    parts = {part: _part_config(folder, root, part) for part in PARTS}
    _check_parts(parts)
    stored, place = parts[LANGUAGE]
    language, tower = llama_config(stored, place, folder / LANGUAGE), _tower_config(*parts[TOWER])
    for part in PARTS:
        weight_files(folder / part)
    recipe = Recipe(
        language=language,
        language_folder=folder / LANGUAGE,
        load_tokenizer=_load_tokenizer,
        end_tokens=(END_OF_TURN,),
        build_projector=lambda: DownsampleProjector(tower.hidden_size, language.hidden_size),
        tower=tower,
        tower_folder=folder / TOWER,
        select_layer=checked(Root, root, folder / "config.json").mm_vision_select_layer,
        select_feature=str(SETTINGS["mm_vision_select_feature"]),
        image_aspect_ratio=str(SETTINGS["image_aspect_ratio"]),
        weights=(
            (lambda model: model.language_model, folder / LANGUAGE, _language_name),
            (lambda model: model.mm_projector, folder / PROJECTOR, str),
        ),
        tower_weights=(folder / TOWER, _tower_name),
    )
    folders = (*(folder / part for part in PARTS), folder)
    name = str(stored.get("_name_or_path", ""))
    told = recorded_conversation(name)
    conversation, source = (told, "recorded name") if told else (LLAMA_3, "default")
    return Checkpoint(folder, "vila-1.5", folders, recipe, conversation, source, name)


def _check_root(root: dict[str, Any], folder: Path) -> None:
    require_plain_image(root, folder)
    require_unquantised(root, folder / "config.json")
    for key, expected in SETTINGS.items():
        if (value := root.get(key, expected)) != expected:
            raise CheckpointError(f"{folder}: {key} must be {expected}, got '{value}'")


def _part_config(folder: Path, root: dict[str, Any], part: str) -> tuple[dict[str, Any], str]:
    """A part's own `config.json`, or the root's copy of it where there is none; and its place."""
    nested, own = root.get(f"{part}_cfg"), folder / part / "config.json"
    if isinstance(nested, dict) and not own.is_file():
        return nested, f"{folder / 'config.json'}, {part}_cfg"
    return read_json(own.parent, own.name), str(own)


def _check_parts(parts: dict[str, tuple[dict[str, Any], str]]) -> None:
    for part, (key, expected) in MODEL_TYPES.items():
        stored, place = parts[part]
        if (value := stored.get(key)) != expected:
            raise CheckpointError(
                f"{place}: {key} must be {expected} (VILA-1.5 with Llama-3, for example "
                f"Efficient-Large-Model/Llama-3-VILA1.5-8B), got '{value}'"
            )


def _tower_config(stored: dict[str, Any], place: str) -> SiglipVisionConfig:
    if not str(stored.get("model_type", "")).startswith("siglip"):
        raise CheckpointError(
            f"{place}: vision tower must be a SigLIP, got model_type '{stored.get('model_type')}'"
        )
    return read_tower(SiglipVisionConfig, stored, place)


def recorded_conversation(recorded_name: str) -> Conversation | None:
    """The template that a checkpoint was trained with, by its recorded name; None: not told."""
    if recorded_name == ORIGINAL_NAME:
        return LLAMA_3
    words = recorded_name.lower().replace("/", "-").replace("_", "-").split("-")
    if "fix" in words or len(recorded_name) == FIX_NAME_LENGTH:
        return LLAMA_3_FIX
    return None


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    # The files ask for a clean-up that strips blanks; transformers 5 warns and does not do it.
    tokenizer = load_tokenizer(
        PreTrainedTokenizerFast, folder, ("tokenizer.json",), clean_up_tokenization_spaces=False
    )
    if END_OF_TURN not in tokenizer.get_vocab():
        raise CheckpointError(
            f"{folder}: no Llama-3's tokenizer, {END_OF_TURN} is not in it; of VILA-1.5 the 8B "
            "(Efficient-Large-Model/Llama-3-VILA1.5-8B) alone is supported"
        )
    return tokenizer


def _language_name(stored: str) -> str | None:
    """Name of a stored weight in the language model; None: known to be extra."""
    return None if ROTARY_BUFFER.fullmatch(stored) else stored


def _tower_name(stored: str) -> str | None:
    """Name in the tower of a stored weight; None: of SigLIP's attention-pool head."""
    name = stored.removeprefix("vision_model.")
    return None if SIGLIP_EXTRAS.match(name) else name
