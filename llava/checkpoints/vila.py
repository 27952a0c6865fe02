"""A VILA-1.5 checkpoint in its original format: three folders."""

import re
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from llava.checkpoints.checkpoint import Checkpoint, Recipe
from llava.checkpoints.files import weight_files
from llava.checkpoints.parts import load_tokenizer
from llava.checkpoints.vila_config import (
    IMAGE_ASPECT_RATIO,
    LANGUAGE,
    PARTS,
    PROJECTOR,
    SELECT_FEATURE,
    TOWER,
    read_vila_config,
    recorded_conversation,
)
from llava.checkpoints.weights import ROTARY_BUFFER
from llava.conversation import LLAMA_3
from llava.errors import CheckpointError
from llava.projector import DownsampleProjector

END_OF_TURN = "<|eot_id|>"
"""Ends an answer too, whichever template it stands in."""

SIGLIP_EXTRAS = re.compile(r"head\.|post_layernorm\.|embeddings\.position_ids$")
"""Parts of SigLIP that come after all that is read, and a buffer that old files hold."""


def inspect_vila(folder: Path, stored: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a folder ("Efficient-Large-Model/Llama-3-VILA1.5-8B") and `config.json`.

    Raises:
        CheckpointError: it is incomplete, or not as VILA-1.5 with a Llama-3.
    """
    config = read_vila_config(folder, stored)
    for part in PARTS:
        weight_files(folder / part)
    recorded = recorded_conversation(config.recorded_name)
    language, projector, tower = (folder / part for part in (LANGUAGE, PROJECTOR, TOWER))
    recipe = Recipe(
        language=config.language,
        language_place=language,
        tokenizer_folder=language,
        load_tokenizer=_load_tokenizer,
        end_tokens=(END_OF_TURN,),
        build_projector=lambda: DownsampleProjector(
            config.tower.hidden_size, config.language.hidden_size
        ),
        tower=config.tower,
        tower_folder=tower,
        select_layer=config.mm_vision_select_layer,
        select_feature=SELECT_FEATURE,
        image_aspect_ratio=IMAGE_ASPECT_RATIO,
        weights=(
            (lambda model: model.language_model, language, _language_name),
            (lambda model: model.mm_projector, projector, str),
        ),
        tower_weights=(tower, _tower_name),
    )
    return Checkpoint(
        folder,
        "vila-1.5",
        config.language.num_hidden_layers,
        (language, tower, projector, folder),
        recorded or LLAMA_3,
        "recorded name" if recorded else "default",
        recipe,
        config.recorded_name,
    )


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
