"""Writing the demo model in the original LLaVA-1.5 layout, tensor names and all."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model import (
    IMAGE_ASPECT_RATIO,
    IMAGE_SIDE,
    PIXEL_MEAN,
    PIXEL_STD,
    PROJECTOR_TYPE,
    SELECT_LAYER,
    DemoModel,
)
from tokenizer import write_json

STORED = torch.float16
TOWER_FOLDER = "vision_tower"


def write_checkpoint(model: DemoModel, folder: Path) -> None:
    """Weights and configurations; the tokenizer's files are already there."""
    tower = folder / TOWER_FOLDER
    tower.mkdir(parents=True, exist_ok=True)
    language = dict(model.language_model.state_dict())
    projector = {f"model.mm_projector.{k}": v for k, v in model.projector.state_dict().items()}
    _save(language | projector, folder / "model.safetensors")
    _save(_tower_weights(model), tower / "model.safetensors")
    write_json(folder / "config.json", _config(model))
    write_json(folder / "generation_config.json", _token_ids() | {"max_length": 2048})
    write_json(tower / "config.json", _tower_config(model))
    write_json(tower / "preprocessor_config.json", _preprocessor())


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    stored = {name: tensor.to(STORED).contiguous() for name, tensor in tensors.items()}
    save_file(stored, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors leaves the file to its owner alone


def _tower_weights(model: DemoModel) -> dict[str, Tensor]:
    """The tower under the original names, whatever prefix this transformers has in memory."""
    weights = model.tower.state_dict().items()
    return {
        f"vision_model.{name.removeprefix('vision_model.')}": tensor
        for name, tensor in weights
        if not name.endswith("position_ids")
    }


def _token_ids() -> dict[str, object]:
    return {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def _config(model: DemoModel) -> dict[str, object]:
    sizes = (
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
        *("num_attention_heads", "num_key_value_heads", "hidden_act", "max_position_embeddings"),
        "rms_norm_eps",
    )
    return {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava_llama",
        "torch_dtype": "float16",
        **_token_ids(),
        **{name: getattr(model.language_model.config, name) for name in sizes},
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "initializer_range": 0.02,
        "pretraining_tp": 1,
        "tie_word_embeddings": False,
        "use_cache": True,
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


def _tower_config(model: DemoModel) -> dict[str, object]:
    sizes = (
        *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
        *("image_size", "patch_size", "num_channels", "projection_dim", "hidden_act"),
        *("layer_norm_eps", "attention_dropout"),
    )
    return {
        "architectures": ["CLIPVisionModel"],
        "model_type": "clip_vision_model",
        "torch_dtype": "float16",
        **{name: getattr(model.tower.config, name) for name in sizes},
    }


def _preprocessor() -> dict[str, object]:
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": IMAGE_SIDE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": IMAGE_SIDE, "width": IMAGE_SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": PIXEL_MEAN,
        "image_std": PIXEL_STD,
    }
