"""Assembly of a VILA-1.5 from a checkpoint in its original format, three folders."""

import re
from pathlib import Path

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, SiglipVisionConfig
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from llava.checkpoint import load_weights, locate, read_json
from llava.conversation import LLAMA_3, Conversation
from llava.errors import CheckpointError, checkpoint_errors
from llava.image import ImageProcessor
from llava.load import ROTARY_BUFFER, beyond_depth
from llava.model import Llava
from llava.projector import DownsampleProjector
from llava.prompt import PromptTokenizer
from llava.vila_config import (
    IMAGE_ASPECT_RATIO,
    LANGUAGE,
    PROJECTOR,
    SELECT_FEATURE,
    TOWER,
    VilaConfig,
    read_vila_config,
)
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
    with checkpoint_errors(folder):
        model = _assemble(folder, config, conversation)
    _fill(model, folder, config, torch.device(device), dtype, vision_dtype or dtype)
    return model.eval()


def _assemble(folder: Path, config: VilaConfig, conversation: Conversation) -> Llava:
    """All parts, their parameters still on the meta device."""
    siglip = _tower_config(folder / TOWER, config)
    with init_empty_weights(include_buffers=False):
        language_model = LlamaForCausalLM(config.language)
        projector = DownsampleProjector(siglip.hidden_size, config.language.hidden_size)
        vision_tower = VisionTower(siglip, config.mm_vision_select_layer, SELECT_FEATURE)
    language_model.tie_weights()  # where the configuration ties: one parameter then, to fill once
    tokenizer = _load_tokenizer(folder / LANGUAGE)
    processor = SiglipImageProcessorPil(**read_json(folder / TOWER, "preprocessor_config.json"))
    return Llava(
        language_model,
        projector,
        vision_tower,
        PromptTokenizer(tokenizer, conversation),
        ImageProcessor(processor, IMAGE_ASPECT_RATIO),
        end_ids=_end_ids(config, tokenizer),
    )


def _tower_config(folder: Path, config: VilaConfig) -> SiglipVisionConfig:
    stored = config.tower
    if not str(stored.get("model_type", "")).startswith("siglip"):
        raise CheckpointError(
            f"{folder}: vision tower must be a SigLIP, got model_type '{stored.get('model_type')}'"
        )
    left_out = ("model_type", "dtype", "torch_dtype")
    return SiglipVisionConfig(**{k: v for k, v in stored.items() if k not in left_out})


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    if not (folder / "tokenizer.json").is_file():
        raise CheckpointError(f"checkpoint incomplete: no tokenizer.json in {folder}")
    # The files ask for a clean-up that strips blanks; transformers 5 warns and does not do it.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, clean_up_tokenization_spaces=False)
    if END_OF_TURN not in tokenizer.get_vocab():
        raise CheckpointError(
            f"{folder}: no Llama-3's tokenizer, {END_OF_TURN} is not in it; of VILA-1.5 the 8B "
            "(Efficient-Large-Model/Llama-3-VILA1.5-8B) alone is supported"
        )
    return tokenizer


def _end_ids(config: VilaConfig, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    end = config.language.eos_token_id
    stated = end if isinstance(end, list) else [end]
    end_of_turn = tokenizer.get_vocab()[END_OF_TURN]
    return frozenset(token_id for token_id in (*stated, end_of_turn) if token_id is not None)


def _fill(
    model: Llava,
    folder: Path,
    config: VilaConfig,
    device: torch.device,
    dtype: torch.dtype,
    vision_dtype: torch.dtype,
) -> None:
    """Load every weight, each part from its own folder."""
    tied, depth = config.language.tie_word_embeddings, model.vision_tower.num_layers
    load_weights(
        model.language_model,
        folder / LANGUAGE,
        lambda name: _language_target(name, tied=tied),
        device,
        dtype,
    )
    load_weights(model.mm_projector, folder / PROJECTOR, str, device, dtype)
    tower: nn.Module = model.vision_tower.vision_model
    load_weights(
        tower, folder / TOWER, lambda name: _tower_target(name, depth), device, vision_dtype
    )
    model.language_model.tie_weights()  # to the embedding that has just been filled
    model.to(device)  # the buffers, which no checkpoint holds


def _language_target(name: str, *, tied: bool) -> str | None:
    """The name of a stored weight in the module; None for what is known to be extra."""
    if ROTARY_BUFFER.fullmatch(name) or (tied and name == "lm_head.weight"):
        return None
    return name


def _tower_target(name: str, num_layers: int) -> str | None:
    """Likewise in SigLIP; None for its attention-pool head and the layers that are not read."""
    name = name.removeprefix("vision_model.")
    return None if SIGLIP_EXTRAS.match(name) or beyond_depth(name, num_layers) else name
