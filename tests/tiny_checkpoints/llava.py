"""Checkpoints in the layout of liuhaotian/llava-v1.5-7b."""

import string
from pathlib import Path

import torch

from tests.tiny_checkpoints.tokenizers import write_llama_tokenizer
from tests.tiny_checkpoints.variants import Variant
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


def write_llava(folder: Path, variant: Variant) -> Path:
    """A whole checkpoint folder."""
    folder.mkdir(parents=True)
    tokenizer = write_llama_tokenizer(folder)
    vocabulary, draw = tokenizer.vocab_size(), Draw(variant.seed)
    weights = language_weights(variant, draw, vocabulary)
    if not variant.tied:
        letters = [tokenizer.piece_to_id(f"▁{letter}") for letter in string.ascii_uppercase]
        answer_with_letters(weights, variant, draw, letters, tokenizer.eos_id())
    if variant.embedded_tower:
        own = tower_weights(variant, draw)
        weights |= {f"model.vision_tower.vision_tower.{name}": t for name, t in own.items()}
    write_weights(weights, folder, variant.storage, variant.shards)
    write_json(folder / "config.json", model_config(variant, vocabulary))
    write_tower(folder / "vision_tower", variant, tower_weights(variant, draw))
    return folder


def tower_weights(variant: Variant, draw: Draw) -> Tensors:
    """CLIP's vision tower under OpenAI's names, `vision_model.*`."""
    width = variant.vision_hidden
    tokens = variant.patches + 1
    weights = {
        "embeddings.class_embedding": draw(width, std=0.1),
        "embeddings.patch_embedding.weight": draw(width, 3, variant.patch, variant.patch, std=0.1),
        "embeddings.position_embedding.weight": draw(tokens, width, std=0.5),
        "embeddings.position_ids": torch.arange(tokens)[None],
    }
    weights |= encoder_weights(variant, draw, ["pre_layrnorm", "post_layernorm"])
    return {f"vision_model.{name}": tensor for name, tensor in weights.items()}


def model_config(variant: Variant, vocabulary: int) -> Json:
    """`config.json` in the words of the original."""
    config: Json = {
        "architectures": ["LlavaLlamaForCausalLM"], "model_type": variant.model_type,
        "torch_dtype": "float16", "vocab_size": vocabulary, "hidden_size": variant.hidden,
        "intermediate_size": 2 * variant.hidden, "num_hidden_layers": variant.layers,
        "num_attention_heads": variant.heads, "num_key_value_heads": variant.kv_heads,
        "hidden_act": "silu", "max_position_embeddings": 4096, "max_length": 4096,
        "rms_norm_eps": 1e-05, "rope_scaling": None, "initializer_range": 0.02,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "pretraining_tp": 1,
        "tie_word_embeddings": variant.tied, "use_cache": True,
        "mm_hidden_size": variant.vision_hidden, "mm_projector_type": variant.projector,
        "mm_resampler_type": None, "mm_use_im_patch_token": False, "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch", "mm_vision_select_layer": -2,
        "mm_vision_tower": "vision_tower", "use_mm_proj": True,
        "unfreeze_mm_vision_tower": variant.unfreeze_tower,
    }  # fmt: skip
    if variant.image_aspect_ratio is not None:
        config["image_aspect_ratio"] = variant.image_aspect_ratio
    return config


def write_tower(folder: Path, variant: Variant, weights: Tensors) -> None:
    """The vision tower's folder; with integer sizes and all of CLIP where the variant says so."""
    folder.mkdir()
    side = variant.image
    config: Json = {
        "model_type": "clip_vision_model", "hidden_size": variant.vision_hidden,
        "intermediate_size": 2 * variant.vision_hidden, "num_attention_heads": 4,
        "num_hidden_layers": variant.vision_layers, "image_size": side,
        "patch_size": variant.patch, "projection_dim": 16, "hidden_act": "quick_gelu",
        "torch_dtype": "float32",
    }  # fmt: skip
    preprocessor: Json = {
        "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3,
        "do_resize": True, "do_center_crop": True, "do_normalize": True,
        "size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    if variant.full_clip:
        text_config = {"model_type": "clip_text_model", "hidden_size": 8}
        config |= {
            "_name_or_path": "", "architectures": None, "add_cross_attention": False,
            "bad_words_ids": None, "bos_token_id": None, "chunk_size_feed_forward": 0,
            "dropout": 0.0, "id2label": {"0": "LABEL_0"}, "initializer_factor": 1.0,
            "is_decoder": False, "label2id": {"LABEL_0": 0}, "max_length": 20, "num_beams": 1,
            "output_attentions": False, "pruned_heads": {}, "return_dict": True,
            "torch_dtype": None, "torchscript": False, "transformers_version": "4.21.3",
            "use_bfloat16": False,
        }  # fmt: skip
        config = {"model_type": "clip", "text_config": text_config, "vision_config": config}
        preprocessor |= {"size": side, "crop_size": side}
        weights = weights | {
            "logit_scale": torch.tensor(4.6),
            "text_model.embeddings.token_embedding.weight": torch.ones(10, 8),
            "text_projection.weight": torch.ones(16, 8),
            "visual_projection.weight": torch.ones(16, variant.vision_hidden),
        }
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", preprocessor)
    write_weights(weights, folder, variant.storage)
