"""Assembly of a LLaVA-1.5 from a checkpoint in its original format."""

import re
from pathlib import Path

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import CLIPVisionConfig, LlamaForCausalLM, LlamaTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from llava.checkpoint import has_weights, load_weights, locate, read_json
from llava.config import LlavaConfig, read_config
from llava.conversation import VICUNA_V1, Conversation
from llava.errors import CheckpointError, checkpoint_errors
from llava.image import ImageProcessor
from llava.model import Llava
from llava.projector import build_projector
from llava.prompt import PromptTokenizer
from llava.vision import VisionTower

EMBEDDED_TOWER = "model.vision_tower.vision_tower."
"""Where a checkpoint keeps its own vision tower, if it has one."""

ROTARY_BUFFER = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
CLIP_EXTRAS = re.compile(
    r"text_model\.|visual_projection\.|text_projection\.|logit_scale$|.*\.position_ids$"
)


def load_llava(
    model_path: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    vision_dtype: torch.dtype | None = None,
    conversation: Conversation = VICUNA_V1,
) -> Llava:
    """A LLaVA-1.5, ready for inference.

    Args:
        model_path: a local folder or a hub id ("liuhaotian/llava-v1.5-7b").
        device: where all of it goes.
        dtype: of language model and projector.
        vision_dtype: of the vision tower; None: the same. The original code left the tower in
            float32 under its default device map, and in float16 otherwise.
        conversation: template of the prompts.

    Raises:
        CheckpointError: missing, incomplete, of another family, or weights that do not fit.
    """
    folder = locate(model_path, "model")
    config = read_config(folder)
    tower_folder = locate(config.mm_vision_tower, "vision tower", inside=folder)
    with checkpoint_errors(folder):
        model = _assemble(folder, tower_folder, config, conversation)
    _fill(model, folder, tower_folder, config, torch.device(device), dtype, vision_dtype or dtype)
    return model.eval()


def _assemble(
    folder: Path, tower_folder: Path, config: LlavaConfig, conversation: Conversation
) -> Llava:
    """All parts, their parameters still on the meta device."""
    with init_empty_weights(include_buffers=False):
        language_model = LlamaForCausalLM(config.language)
        projector = build_projector(
            config.mm_projector_type, config.mm_hidden_size, config.language.hidden_size
        )
        vision_tower = _build_tower(tower_folder, config)
    language_model.tie_weights()  # where the configuration ties: one parameter then, to fill once
    return Llava(
        language_model,
        projector,
        vision_tower,
        PromptTokenizer(_load_tokenizer(folder), conversation),
        ImageProcessor(_load_image_processor(tower_folder), config.image_aspect_ratio),
        end_ids=_end_ids(config),
    )


def _build_tower(folder: Path, config: LlavaConfig) -> VisionTower:
    stored = read_json(folder, "config.json")
    if not str(stored.get("model_type", "")).startswith("clip"):
        raise CheckpointError(
            f"{folder}: vision tower must be a CLIP, got model_type '{stored.get('model_type')}'"
        )
    clip = CLIPVisionConfig(
        **{
            k: v
            for k, v in stored.get("vision_config", stored).items()
            if k not in ("model_type", "dtype", "torch_dtype")
        }
    )
    if clip.hidden_size != config.mm_hidden_size:
        raise CheckpointError(
            f"{folder}: the vision tower is {clip.hidden_size} wide, the model expects "
            f"{config.mm_hidden_size} (mm_hidden_size)"
        )
    return VisionTower(clip, config.mm_vision_select_layer, config.mm_vision_select_feature)


def _load_tokenizer(folder: Path) -> LlamaTokenizer:
    if not (folder / "tokenizer.model").is_file() and not (folder / "tokenizer.json").is_file():
        raise CheckpointError(f"checkpoint incomplete: no tokenizer.model in {folder}")
    return LlamaTokenizer.from_pretrained(folder)


def _load_image_processor(folder: Path) -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(**read_json(folder, "preprocessor_config.json"))


def _end_ids(config: LlavaConfig) -> frozenset[int]:
    """Ids that end an answer; where the checkpoint names none, LLaMA's own: </s>, 2."""
    end = config.language.eos_token_id
    if end is None:
        raise CheckpointError("config.json: eos_token_id is null, so no answer would ever end")
    return frozenset(end if isinstance(end, list) else [end])


def _fill(
    model: Llava,
    folder: Path,
    tower_folder: Path,
    config: LlavaConfig,
    device: torch.device,
    dtype: torch.dtype,
    vision_dtype: torch.dtype,
) -> None:
    """Load every weight; the tower's from the checkpoint itself where it was trained with it."""
    parts = nn.ModuleDict(
        {"language_model": model.language_model, "mm_projector": model.mm_projector}
    )
    load_weights(parts, folder, lambda name: _model_target(name, config), device, dtype)
    tower, depth = model.vision_tower.vision_model, model.vision_tower.num_layers
    if config.unfreeze_mm_vision_tower and has_weights(folder, EMBEDDED_TOWER):
        load_weights(
            tower, folder, lambda name: _embedded_target(name, depth), device, vision_dtype
        )
    else:
        load_weights(
            tower, tower_folder, lambda name: _tower_target(name, depth), device, vision_dtype
        )
    model.language_model.tie_weights()  # to the embedding that has just been filled
    model.to(device)  # the buffers, which no checkpoint holds


def _model_target(name: str, config: LlavaConfig) -> str | None:
    """The name of a stored weight in the module; None for what is known to be extra."""
    if ROTARY_BUFFER.fullmatch(name) or name.startswith(EMBEDDED_TOWER):
        return None
    if name == "lm_head.weight" and config.language.tie_word_embeddings:
        return None
    if name.startswith("model.mm_projector."):
        return name.removeprefix("model.")
    return f"language_model.{name}"


def _embedded_target(name: str, num_layers: int) -> str | None:
    """Likewise for a tower inside the checkpoint, among the language model's weights."""
    if not name.startswith(EMBEDDED_TOWER):
        return None
    return _tower_target(name.removeprefix(EMBEDDED_TOWER), num_layers)


def _tower_target(name: str, num_layers: int) -> str | None:
    """The name of a stored CLIP weight in the tower; None for text tower and unread layers."""
    name = name.removeprefix("vision_model.")
    return None if CLIP_EXTRAS.match(name) or beyond_depth(name, num_layers) else name


def beyond_depth(name: str, num_layers: int) -> bool:
    """Whether a weight of a vision tower belongs to a layer after the first so many."""
    layer = re.match(r"encoder\.layers\.(\d+)\.", name)
    return layer is not None and int(layer[1]) >= num_layers
