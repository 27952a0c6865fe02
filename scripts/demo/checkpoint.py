"""Writing the demo model in the original LLaVA-1.5 layout, tensor names and all."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor
from transformers import PretrainedConfig

from model import IMAGE_ASPECT_RATIO, PREPROCESSING, PROJECTOR_TYPE, SELECT_LAYER, DemoModel

TOWER_FOLDER = "vision_tower"
TOKEN_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
"""Settings that tower and language model share."""


def write_checkpoint(model: DemoModel, folder: Path) -> None:
    """Weights and configurations; the tokenizer's files are already there."""
    tower = folder / TOWER_FOLDER
    tower.mkdir(parents=True, exist_ok=True)
    projector = {f"model.mm_projector.{k}": v for k, v in model.projector.state_dict().items()}
    _save(model.language_model.state_dict() | projector, folder / "model.safetensors")
    _save(_tower_weights(model), tower / "model.safetensors")
    write_json(folder / "config.json", _config(model))
    write_json(folder / "generation_config.json", {**TOKEN_IDS, "max_length": 2048})
    write_json(tower / "config.json", _tower_config(model.tower.config))
    preprocessor = {"image_processor_type": "CLIPImageProcessor", **PREPROCESSING}
    write_json(tower / "preprocessor_config.json", preprocessor)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a configuration as transformers formats it."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    stored = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    save_file(stored, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors leaves the file to its owner alone


def _tower_weights(model: DemoModel) -> dict[str, Tensor]:
    """The tower under the original names, whatever prefix this transformers has in memory."""
    return {
        f"vision_model.{name.removeprefix('vision_model.')}": tensor
        for name, tensor in model.tower.state_dict().items()
        if not name.endswith("position_ids")
    }


def _settings(config: PretrainedConfig, *names: str) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


def _config(model: DemoModel) -> dict[str, Any]:
    config = model.language_model.config
    sizes = ("vocab_size", *SIZES, "num_key_value_heads")
    return {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava_llama",
        "torch_dtype": "float16",
        **TOKEN_IDS,
        **_settings(config, *sizes, "hidden_act", "max_position_embeddings", "rms_norm_eps"),
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "initializer_range": 0.02,
        "pretraining_tp": 1,
        **_settings(config, "tie_word_embeddings", "use_cache"),
        "image_aspect_ratio": IMAGE_ASPECT_RATIO,
        "mm_hidden_size": model.tower.config.hidden_size,
        "mm_projector_type": PROJECTOR_TYPE,
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": SELECT_LAYER,
        "mm_vision_tower": TOWER_FOLDER,
        "tune_mm_mlp_adapter": False,
        "unfreeze_mm_vision_tower": False,
        "use_mm_proj": True,
    }


def _tower_config(config: PretrainedConfig) -> dict[str, Any]:
    image = ("image_size", "patch_size", "num_channels")
    return {
        "architectures": ["CLIPVisionModel"],
        "model_type": "clip_vision_model",
        "torch_dtype": "float16",
        **_settings(config, *SIZES, *image, "projection_dim", "hidden_act", "layer_norm_eps"),
        "attention_dropout": 0.0,
    }
