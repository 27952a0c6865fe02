"""A VILA-1.5 checkpoint with a Llama-3 in its original format: three folders."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from transformers import PreTrainedTokenizerFast, SiglipVisionConfig
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from llava.checkpoints.checkpoint import Checkpoint
from llava.checkpoints.files import read_json, weight_files
from llava.checkpoints.parts import (
    PLAIN_IMAGE,
    Allowed,
    llama_config,
    load_preprocessing,
    load_tokenizer,
    read_tower,
    require_settings,
)
from llava.checkpoints.unusable import require_merged, require_unquantised
from llava.checkpoints.values import checked
from llava.checkpoints.weights import StoredWeights, language_name, tower_name
from llava.conversation import LLAMA_3, LLAMA_3_FIX, Conversation
from llava.projector import DownsampleProjector
from llava.vision import VisionTower

PARTS = LANGUAGE, TOWER, PROJECTOR = ("llm", "vision_tower", "mm_projector")
"""The folders of a checkpoint, each with a configuration and weights of its own."""

SETTINGS: Allowed = {
    "image_aspect_ratio": ("resize", None),
    "mm_vision_select_feature": ("cls_patch", None),
    "s2": (False, None),
    **PLAIN_IMAGE,
}
"""Values that settings of the root configuration may have."""

PART_SETTINGS: dict[str, Allowed] = {
    LANGUAGE: {"model_type": ("llama",)},
    PROJECTOR: {"mm_projector_type": ("mlp_downsample",)},
}
SUPPORTED = " (VILA-1.5 with Llama-3, for example Efficient-Large-Model/Llama-3-VILA1.5-8B)"

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
    path = folder / "config.json"
    require_merged(folder)
    require_settings(root, SETTINGS, path)
    require_unquantised(root, path)
    parts = {part: _part_config(folder, root, part) for part in PARTS}
    for part, allowed in PART_SETTINGS.items():
        require_settings(parts[part][0], allowed, parts[part][1], SUPPORTED)
    stored, place = parts[LANGUAGE]
    language = llama_config(stored, place, folder / LANGUAGE)
    tower = read_tower(SiglipVisionConfig, *parts[TOWER])
    for part in PARTS:
        weight_files(folder / part)
    select_layer = checked(Root, root, path).mm_vision_select_layer
    name = str(stored.get("_name_or_path", ""))
    told = recorded_conversation(name)
    return Checkpoint(
        folder=folder,
        family="vila-1.5",
        folders=(*(folder / part for part in PARTS), folder),
        conversation=told or LLAMA_3,
        conversation_source="recorded name" if told else "default",
        recorded_name=name,
        language=language,
        # The files ask for a clean-up that strips blanks; transformers 5 warns and does not do it.
        load_tokenizer=partial(
            load_tokenizer,
            PreTrainedTokenizerFast,
            folder / LANGUAGE,
            ("tokenizer.json",),
            clean_up_tokenization_spaces=False,
        ),
        end_tokens=(END_OF_TURN,),
        build_projector=partial(DownsampleProjector, tower.hidden_size, language.hidden_size),
        build_tower=partial(VisionTower, tower, select_layer, "cls_patch"),
        load_preprocessing=partial(
            load_preprocessing, SiglipImageProcessorPil, folder / TOWER, "resize"
        ),
        weights=(
            StoredWeights(("language_model",), folder / LANGUAGE, language_name),
            StoredWeights(("mm_projector",), folder / PROJECTOR, "mm_projector.{}".format),
            StoredWeights(("vision_tower",), folder / TOWER, partial(tower_name, SIGLIP_EXTRAS)),
        ),
    )


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
