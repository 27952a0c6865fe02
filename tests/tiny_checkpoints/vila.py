"""Checkpoints in the layout of Efficient-Large-Model/Llama-3-VILA1.5-8B."""

import string
from pathlib import Path

import torch

from tests.tiny_checkpoints.tokenizers import write_llama_3_tokenizer
from tests.tiny_checkpoints.variants import VilaVariant
from tests.tiny_checkpoints.weights import (
    Draw,
    Json,
    Tensors,
    answer_with_letters,
    encoder_weights,
    language_weights,
    write_json,
    write_weights,
)


def write_vila(folder: Path, variant: VilaVariant) -> Path:
    """A whole checkpoint in three folders, bfloat16 as on the hub."""
    for part in ("llm", "vision_tower", "mm_projector"):
        (folder / part).mkdir(parents=True)
    tokenizer = write_llama_3_tokenizer(folder / "llm", adds_bos=variant.adds_bos)
    vocabulary, draw = tokenizer.get_vocab_size(), Draw(variant.seed)
    language = language_weights(variant, draw, vocabulary)
    language = {name: t for name, t in language.items() if "mm_projector" not in name}
    tower, projector = siglip_weights(variant, draw), downsample_weights(variant, draw)
    if not variant.tied:
        ids = tokenizer.get_vocab()
        letters = [ids[letter] for letter in string.ascii_uppercase]
        answer_with_letters(language, variant, draw, letters, ids["<|end_of_text|>"])
        projector["layers.4.weight"][-1] = projector["layers.4.bias"][-1] = 0
    parts = {"llm": language, "vision_tower": tower, "mm_projector": projector}
    for part, weights in parts.items():
        stored = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
        shards = variant.shards if part == "llm" else 1
        write_weights(stored, folder / part, variant.storage, shards)
    configs = vila_configs(variant, vocabulary)
    side = variant.image
    preprocessor = {
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "SiglipImageProcessor",
        "image_std": [0.5, 0.5, 0.5], "processor_class": "SiglipProcessor", "resample": 3,
        "rescale_factor": 1 / 255, "size": {"height": side, "width": side},
    }  # fmt: skip
    write_json(folder / "vision_tower" / "preprocessor_config.json", preprocessor)
    if variant.part_configs:
        for part, config in configs.items():
            write_json(folder / part / "config.json", config)
    root = {
        "_name_or_path": "./vlm", "architectures": ["LlavaLlamaModel"], "drop_path_rate": 0.0,
        "hidden_size": variant.hidden, "image_aspect_ratio": variant.image_aspect_ratio,
        "interpolate_mode": "linear", "mm_hidden_size": variant.vision_hidden,
        "mm_use_im_patch_token": False, "mm_use_im_start_end": False,
        "mm_vision_select_feature": "cls_patch", "mm_vision_select_layer": -2,
        "model_dtype": "torch.bfloat16", "model_type": variant.model_type, "num_video_frames": 8,
        "resume_path": "./vlm", "s2": False, "transformers_version": "4.36.2",
        **{f"{part}_cfg": config for part, config in configs.items()},
    }  # fmt: skip
    write_json(folder / "config.json", root)
    return folder


def siglip_weights(variant: VilaVariant, draw: Draw) -> Tensors:
    """The whole of SigLIP's vision tower, its attention-pool head too."""
    width, inner = variant.vision_hidden, 2 * variant.vision_hidden
    weights = {
        "embeddings.patch_embedding.weight": draw(width, 3, variant.patch, variant.patch, std=0.1),
        "embeddings.patch_embedding.bias": draw(width, std=0.05),
        "embeddings.position_embedding.weight": draw(variant.patches, width, std=0.5),
        **encoder_weights(variant, draw, ["post_layernorm", "head.layernorm"]),
        "head.probe": draw(1, 1, width, std=1.0),
        "head.attention.in_proj_weight": draw(3 * width, width, std=width**-0.5),
        "head.attention.in_proj_bias": draw(3 * width, std=0.05),
        **draw.linear("head.attention.out_proj", width, width),
        **draw.linear("head.mlp.fc1", inner, width),
        **draw.linear("head.mlp.fc2", width, inner),
    }
    return {f"vision_model.{name}": tensor for name, tensor in weights.items()}


def downsample_weights(variant: VilaVariant, draw: Draw) -> Tensors:
    """VILA's projector under its names; index 0 merges patches, index 3 is the GELU."""
    inputs, width = 4 * variant.vision_hidden, variant.hidden
    return {
        **draw.norm("layers.1", inputs, bias_std=0.1),
        **draw.linear("layers.2", width, inputs, bias_std=0.1),
        **draw.linear("layers.4", width, width, bias_std=0.1),
    }


def vila_configs(variant: VilaVariant, vocabulary: int) -> dict[str, Json]:
    """The configuration of each of the three folders, in the words of the original."""
    llama = {
        "_name_or_path": variant.recorded_name, "architectures": ["LlamaForCausalLM"],
        "model_type": "llama", "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": vocabulary - 6, "eos_token_id": vocabulary - 5,
        "hidden_act": "silu", "hidden_size": variant.hidden, "initializer_range": 0.02,
        "intermediate_size": 2 * variant.hidden, "max_position_embeddings": 8192,
        "model_max_length": 4096, "num_attention_heads": variant.heads,
        "num_hidden_layers": variant.layers, "num_key_value_heads": variant.kv_heads,
        "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
        "rope_theta": 500000.0, "tie_word_embeddings": variant.tied,
        "tokenizer_model_max_length": 4096, "tokenizer_padding_side": "right",
        "torch_dtype": "bfloat16", "transformers_version": "4.36.2", "use_cache": True,
        "vocab_size": vocabulary,
    }  # fmt: skip
    siglip = {
        "architectures": ["SiglipVisionModel"], "model_type": "siglip_vision_model",
        "attention_dropout": 0.0, "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": variant.vision_hidden, "image_size": variant.image,
        "intermediate_size": 2 * variant.vision_hidden, "layer_norm_eps": 1e-06,
        "num_attention_heads": 4, "num_channels": 3, "num_hidden_layers": variant.vision_layers,
        "patch_size": variant.patch, "torch_dtype": "bfloat16", "transformers_version": "4.36.2",
    }  # fmt: skip
    projector = {
        "architectures": ["MultimodalProjector"], "mm_projector_type": "mlp_downsample",
        "model_type": "v2l_projector", "torch_dtype": "bfloat16",
    }  # fmt: skip
    return {"llm": llama, "vision_tower": siglip, "mm_projector": projector}
