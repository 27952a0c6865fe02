"""The demo's model: a very small LLaVA-1.5, made of transformers' own CLIP tower and LLaMA."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from llava.image import ImageProcessor
from llava.projector import build_projector
from packing import PackedBatch

IMAGE_SIDE = 64
IMAGE_ASPECT_RATIO = "pad"
SELECT_LAYER = -2
PROJECTOR_TYPE = "mlp2x_gelu"
INITIAL_STD = 0.08
"""About 1 / sqrt(width); LLaMA's own 0.02 is meant for far wider layers and hardly moves here."""
PREPROCESSING: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "size": {"shortest_edge": IMAGE_SIDE},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": IMAGE_SIDE, "width": IMAGE_SIDE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
"""CLIP's, but for the side."""


def vision_config() -> CLIPVisionConfig:
    """A CLIP tower of 64 visual tokens; its last layer is there and not read, as in LLaVA-1.5."""
    return CLIPVisionConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=5, num_attention_heads=4,
        image_size=IMAGE_SIDE, patch_size=8, projection_dim=32, hidden_act="quick_gelu",
    )  # fmt: skip


def language_config(vocab_size: int) -> LlamaConfig:
    """A LLaMA of three layers."""
    return LlamaConfig(
        vocab_size=vocab_size, hidden_size=128, intermediate_size=320, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=2048,
        rms_norm_eps=1e-5, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        tie_word_embeddings=False, initializer_range=INITIAL_STD,
    )  # fmt: skip


def image_processor() -> ImageProcessor:
    """The preprocessing of the checkpoint that will be written, in the package's own code."""
    return ImageProcessor(CLIPImageProcessorPil(**PREPROCESSING), IMAGE_ASPECT_RATIO)


class DemoModel(nn.Module):
    """Tower, projector and language model, trained together."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.tower = CLIPVisionModel(vision_config())
        self.language_model = LlamaForCausalLM(language_config(vocab_size))
        width = self.language_model.config.hidden_size
        self.projector = build_projector(PROJECTOR_TYPE, vision_config().hidden_size, width)

    def vision_features(self, pixel_values: Tensor) -> Tensor:
        """Patch features float32[B, N, width] of the layer that LLaVA reads."""
        output = self.tower(pixel_values, output_hidden_states=True)
        return output.hidden_states[SELECT_LAYER][:, 1:]

    def forward(self, visual_tokens: Tensor, packed: PackedBatch) -> Tensor:
        """Final hidden states float32[B, T, D] of texts around an image.

        Args:
            visual_tokens: float32[B, N, D], those that were not dropped.
            packed: the texts.
        """
        start = packed.image_position
        words = self.language_model.get_input_embeddings()(packed.ids)
        before, behind = words[:, :start], words[:, start:]
        output = self.language_model.model(
            inputs_embeds=torch.cat([before, visual_tokens, behind], dim=1),
            attention_mask=packed.attends, position_ids=packed.position_ids, use_cache=False,
        )  # fmt: skip
        return output.last_hidden_state
