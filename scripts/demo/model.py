"""The demo's model: a very small LLaVA-1.5, made of transformers' own CLIP tower and LLaMA."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaForCausalLM

from llava.checkpoints.family import inspect_checkpoint
from llava.image import ImageProcessor
from packing import PackedBatch

COMMITTED = Path(__file__).parents[2] / "data" / "demo" / "llava-demo"
"""Checkpoint whose configuration files say how large the model is: 64 visual tokens, a tower of
five layers (the last is there and not read, as in LLaVA-1.5), a LLaMA of three. Of its weights
nothing is read."""
IMAGE_SIDE = 64
"""Pixels along each side of the square that the model sees."""
SELECT_LAYER = -2
"""Index of the hidden state that LLaVA reads (`mm_vision_select_layer`)."""
INITIAL_STD = 0.08
"""About 1 / sqrt(width); LLaMA's own 0.02 is meant for far wider layers and hardly moves here."""


def image_processor() -> ImageProcessor:
    """The preprocessing of the checkpoint."""
    return inspect_checkpoint(str(COMMITTED)).load_preprocessing(IMAGE_SIDE)


class DemoModel(nn.Module):
    """Tower, projector and language model, trained together."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        checkpoint = inspect_checkpoint(str(COMMITTED))
        training = {"vocab_size": vocab_size, "initializer_range": INITIAL_STD, "pad_token_id": 0}
        checkpoint.language.update(training)  # padding's embedding begins as zeros, and stays
        self.tower = CLIPVisionModel(CLIPVisionConfig.from_pretrained(COMMITTED / "vision_tower"))
        self.language_model = LlamaForCausalLM(checkpoint.language)
        self.projector = checkpoint.build_projector()

    def vision_features(self, pixel_values: Tensor) -> Tensor:
        """Patch features float32[B, N, width] of the layer that LLaVA reads."""
        output = self.tower(pixel_values, output_hidden_states=True)
        return output.hidden_states[SELECT_LAYER][:, 1:]

    def forward(self, visual_tokens: Tensor, packed: PackedBatch) -> Tensor:
        """Final hidden states float32[B, T, D] of texts around visual tokens float32[B, N, D]."""
        start = packed.image_position
        words = self.language_model.get_input_embeddings()(packed.ids)
        before, behind = words[:, :start], words[:, start:]
        output = self.language_model.model(
            inputs_embeds=torch.cat([before, visual_tokens, behind], dim=1),
            attention_mask=packed.attends, position_ids=packed.position_ids, use_cache=False,
        )  # fmt: skip
        return output.last_hidden_state
