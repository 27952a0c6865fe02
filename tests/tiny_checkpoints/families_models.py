"""Sizes of the tiny families' models, in the words of each family's `config.json`.

Every language model has 4 layers of width 64 with 4 query and 2 key-value heads; every vision
encoder cuts an image into patches of 4 × 4 pixels. The Gemmas' output layer is their embedding.
"""

from tests.tiny_checkpoints.families_tokenizers import VOCABULARY
from tests.tiny_checkpoints.weights import Json

TEXT: Json = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 4096,
}  # fmt: skip
ENCODER: Json = {
    "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "patch_size": 4,
}  # fmt: skip
CLIP: Json = {"model_type": "clip_vision_model", **ENCODER, "image_size": 28}
SIGLIP: Json = {"model_type": "siglip_vision_model", **ENCODER, "image_size": 32}
PINPOINTS = [[28, 56], [56, 28], [56, 56]]
"""Heights and widths that an image is fitted into before it is cut into tiles of 28 pixels."""

MROPE: Json = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
"""Time, height and width share the 8 frequencies of a head of 16 channels."""

QWEN_VISION: Json = {
    "depth": 3, "hidden_size": 48, "intermediate_size": 64, "num_heads": 4, "patch_size": 4,
    "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip

CONFIGS: dict[str, Json] = {
    "llava": {
        "text_config": {"model_type": "llama", **TEXT},
        "vision_config": CLIP,
        "image_seq_length": 49,
    },
    "llava_next": {
        "text_config": {"model_type": "mistral", **TEXT, "sliding_window": None},
        "vision_config": CLIP,
        "image_grid_pinpoints": PINPOINTS,
        "image_seq_length": 49,
    },
    "llava_onevision": {
        "text_config": {"model_type": "qwen2", **TEXT},
        "vision_config": {**SIGLIP, "image_size": 28, "vision_use_head": False},
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "image_grid_pinpoints": PINPOINTS,
    },
    "qwen2_vl": {
        "text_config": {**TEXT, "rope_parameters": MROPE},
        "vision_config": {
            "depth": 3, "embed_dim": 48, "hidden_size": 64, "num_heads": 4, "patch_size": 4,
            "mlp_ratio": 2, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
    },
    "qwen2_5_vl": {
        "text_config": {**TEXT, "rope_parameters": MROPE},
        "vision_config": {
            **QWEN_VISION, "out_hidden_size": 64, "window_size": 16, "fullatt_block_indexes": [1],
        },
    },
    "qwen3_vl": {
        "text_config": {
            **TEXT, "head_dim": 16, "rope_parameters": {**MROPE, "mrope_interleaved": True},
        },
        "vision_config": {
            **QWEN_VISION, "out_hidden_size": 64, "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1, 2],
        },
    },
    "internvl": {
        "text_config": {"model_type": "qwen2", **TEXT},
        "vision_config": {**ENCODER, "image_size": [32, 32], "patch_size": [4, 4]},
        "downsample_ratio": 0.5,
        "tie_word_embeddings": False,
        "image_seq_length": 16,
    },
    "gemma3": {
        "text_config": {
            **TEXT, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 64,
            "layer_types": [*["sliding_attention"] * 2, "full_attention", "sliding_attention"],
        },
        "vision_config": {**SIGLIP, "vision_use_head": False},
        "mm_tokens_per_image": 16,
    },
    "smolvlm": {
        "text_config": {"model_type": "llama", **TEXT},
        "vision_config": {**ENCODER, "image_size": 32},
        "scale_factor": 2,
    },
    "mistral3": {
        "text_config": {"model_type": "mistral", **TEXT, "head_dim": 16, "sliding_window": None},
        "vision_config": {"model_type": "pixtral", **ENCODER, "head_dim": 12, "image_size": 64},
        "tie_word_embeddings": False,
        "spatial_merge_size": 2,
    },
    "glm4v": {
        "text_config": {
            **TEXT, "head_dim": 16, "rope_parameters": {**MROPE, "partial_rotary_factor": 1.0},
        },
        "vision_config": {**QWEN_VISION, "out_hidden_size": 64, "image_size": 64},
    },
    "paligemma": {
        # The processor gives the tokenizer 1152 further tokens, for places in the image.
        "text_config": {"model_type": "gemma", **TEXT, "head_dim": 16, "vocab_size": 1664},
        "vision_config": {**SIGLIP, "vision_use_head": False},
        "projection_dim": 64,
    },
}  # fmt: skip

QWEN_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}

TOKEN_IDS: dict[str, dict[str, str]] = {
    "llava": {"image_token_id": "<image>"},
    "llava_next": {"image_token_id": "<image>"},
    "llava_onevision": {"image_token_id": "<image>", "video_token_id": "<video>"},
    "qwen2_vl": QWEN_IDS,
    "qwen2_5_vl": QWEN_IDS,
    "qwen3_vl": QWEN_IDS,
    "internvl": {"image_token_id": "<IMG_CONTEXT>"},
    "gemma3": {
        "image_token_id": "<image_soft_token>",
        "boi_token_id": "<start_of_image>",
        "eoi_token_id": "<end_of_image>",
    },
    "smolvlm": {"image_token_id": "<image>"},
    "mistral3": {"image_token_id": "[IMG]"},
    "glm4v": {
        "image_token_id": "<|image|>",
        "video_token_id": "<|video|>",
        "image_start_token_id": "<|begin_of_image|>",
        "image_end_token_id": "<|end_of_image|>",
        "video_start_token_id": "<|begin_of_video|>",
        "video_end_token_id": "<|end_of_video|>",
    },
    "paligemma": {"image_token_id": "<image>"},
}
"""Entries of `config.json` that are ids, and the tokens that they are the ids of."""
