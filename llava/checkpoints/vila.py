"""Assembly of a VILA-1.5 from a checkpoint in its original format, three folders."""

import re
from pathlib import Path

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from llava.checkpoints.files import locate
from llava.checkpoints.llava import ROTARY_BUFFER, beyond_depth
from llava.checkpoints.llava_config import end_ids
from llava.checkpoints.parts import build_language_model, load_preprocessing, load_tokenizer
from llava.checkpoints.vila_config import (
    IMAGE_ASPECT_RATIO,
    LANGUAGE,
    PROJECTOR,
    SELECT_FEATURE,
    TOWER,
    VilaConfig,
    read_vila_config,
)
from llava.checkpoints.weights import load_weights
from llava.conversation import LLAMA_3, Conversation
from llava.errors import CheckpointError, checkpoint_errors
from llava.model import Llava
from llava.projector import DownsampleProjector
from llava.prompt import PromptTokenizer
from llava.vision import VisionTower

END_OF_TURN = "<|eot_id|>"
"""Ends an answer too, whichever template it stands in."""

SIGLIP_EXTRAS = re.compile(r"head\.|post_layernorm\.|embeddings\.position_ids$")
"""Parts of SigLIP that come after all that is read, and a buffer that old files hold."""


def load_vila(
    model_path: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    vision_dtype: torch.dtype | None = None,
    conversation: Conversation = LLAMA_3,
) -> Llava:
    """A VILA-1.5 with a Llama-3, ready for inference.

    Args:
        model_path: a local folder or a hub id ("Efficient-Large-Model/Llama-3-VILA1.5-8B").
        device: where all of it goes.
        dtype: of language model and projector. The original code ran its bfloat16 weights in
            float16.
        vision_dtype: of the vision tower; None: the same.
        conversation: template of the prompts.

    Raises:
        CheckpointError: missing, incomplete, of another family, or weights that do not fit.
    """
    folder = locate(model_path, "model")
    config = read_vila_config(folder)
    model = _assemble(folder, config, conversation)
    _fill(model, folder, torch.device(device), dtype, vision_dtype or dtype)
    return model.eval()


def _assemble(folder: Path, config: VilaConfig, conversation: Conversation) -> Llava:
    """All parts, their parameters still on the meta device."""
    language_model = build_language_model(config.language, folder / LANGUAGE)
    with checkpoint_errors(folder), init_empty_weights(include_buffers=False):
        projector = DownsampleProjector(config.tower.hidden_size, config.language.hidden_size)
        vision_tower = VisionTower(config.tower, config.mm_vision_select_layer, SELECT_FEATURE)
    tokenizer, end_of_turn = _load_tokenizer(folder / LANGUAGE)
    with checkpoint_errors(folder / LANGUAGE):
        prompts = PromptTokenizer(tokenizer, conversation)
    preprocess = load_preprocessing(
        SiglipImageProcessorPil, folder / TOWER, IMAGE_ASPECT_RATIO, vision_tower.image_size
    )
    end = end_ids(config.language) | {end_of_turn}
    return Llava(language_model, projector, vision_tower, prompts, preprocess, end)


def _load_tokenizer(folder: Path) -> tuple[PreTrainedTokenizerBase, int]:
    """The tokenizer, and its id of `END_OF_TURN`."""
    # The files ask for a clean-up that strips blanks; transformers 5 warns and does not do it.
    tokenizer = load_tokenizer(
        PreTrainedTokenizerFast, folder, ("tokenizer.json",), clean_up_tokenization_spaces=False
    )
    if (end_of_turn := tokenizer.get_vocab().get(END_OF_TURN)) is None:
        raise CheckpointError(
            f"{folder}: no Llama-3's tokenizer, {END_OF_TURN} is not in it; of VILA-1.5 the 8B "
            "(Efficient-Large-Model/Llama-3-VILA1.5-8B) alone is supported"
        )
    return tokenizer, end_of_turn


def _fill(
    model: Llava,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    vision_dtype: torch.dtype,
) -> None:
    """Load every weight, each part from its own folder."""
    depth = model.vision_tower.num_layers
    load_weights(model.language_model, folder / LANGUAGE, _language_target, device, dtype)
    load_weights(model.mm_projector, folder / PROJECTOR, str, device, dtype)
    tower: nn.Module = model.vision_tower.vision_model
    load_weights(
        tower, folder / TOWER, lambda name: _tower_target(name, depth), device, vision_dtype
    )
    model.language_model.tie_weights()  # to the embedding that has just been filled
    model.to(device)  # the buffers, which no checkpoint holds


def _language_target(name: str) -> str | None:
    """The name of a stored weight in the module; None for what is known to be extra."""
    return None if ROTARY_BUFFER.fullmatch(name) else name


def _tower_target(name: str, num_layers: int) -> str | None:
    """Likewise in SigLIP; None for its attention-pool head and the layers that are not read."""
    name = name.removeprefix("vision_model.")
    return None if SIGLIP_EXTRAS.match(name) or beyond_depth(name, num_layers) else name
