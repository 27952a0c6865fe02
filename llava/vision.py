"""The vision tower, CLIP or SigLIP, built only as deep as it is read."""

import copy
import re
from typing import Any

from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)


class VisionTower(nn.Module):
    """A tower up to the hidden states that are read (`mm_vision_select_layer`, -2).

    Args:
        config: of the whole tower, CLIP or SigLIP.
        select_layer: index into the tower's hidden states (embeddings first), as in the
            checkpoint's configuration; the layers after it are not built.
        select_feature: "patch" leaves the class token out, "cls_patch" keeps all. SigLIP has no
            class token, and the original code's "patch" would cost it a patch.

    Raises:
        ValueError: no such layer or feature.
    """

    def __init__(
        self,
        config: CLIPVisionConfig | SiglipVisionConfig,
        select_layer: int,
        select_feature: str,
    ) -> None:
        super().__init__()
        self.num_layers = read_layers(config.num_hidden_layers, select_layer)
        clip = isinstance(config, CLIPVisionConfig)
        features = ("patch", "cls_patch") if clip else ("cls_patch",)
        if select_feature not in features:
            raise ValueError(
                f"mm_vision_select_feature of {'CLIP' if clip else 'SigLIP'} must be "
                f"{' or '.join(features)}, got '{select_feature}'"
            )
        self.select_feature = select_feature
        self.only_patches = select_feature == "patch" or not clip
        """Whether every feature is a patch's."""
        sides: Any = config
        self.image_size: int = sides.image_size
        """Height and width of the input, in pixels."""
        self.patch_size: int = sides.patch_size
        """Height and width of a patch, in pixels."""
        shallow: Any = copy.deepcopy(config)
        shallow.num_hidden_layers = self.num_layers
        shallow._attn_implementation = "sdpa"
        # The last hidden state of CLIPVisionModel is the encoder's, before post_layernorm.
        self.vision_model = CLIPVisionModel(shallow) if clip else _headless_siglip(shallow)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Features float[B, N, width] of float[B, 3, height, width], patches row by row."""
        features = self.vision_model(pixel_values.to(self.vision_model.dtype)).last_hidden_state
        return features[:, 1:] if self.select_feature == "patch" else features

    def is_built(self, name: str) -> bool:
        """Whether a weight, by its name in the whole model, is of no layer after those read."""
        layer = re.match(r"vision_tower\.vision_model\.encoder\.layers\.(\d+)\.", name)
        return layer is None or int(layer[1]) < self.num_layers


def _headless_siglip(config: SiglipVisionConfig) -> SiglipVisionModel:
    """SigLIP whose last hidden state is the encoder's: what comes after it is left out."""
    config.vision_use_head = False
    model = SiglipVisionModel(config)
    model.post_layernorm = nn.Identity()  # type: ignore[assignment]
    return model


def read_layers(num_hidden_layers: int, select_layer: int) -> int:
    """Number of encoder layers before hidden state number `select_layer`.

    A tower of n layers has n + 1 hidden states, so -1 reads all n layers and -2 all but one.

    Raises:
        ValueError: no such hidden state.
    """
    depth = select_layer if select_layer >= 0 else num_hidden_layers + 1 + select_layer
    if not 0 <= depth <= num_hidden_layers:
        raise ValueError(
            f"mm_vision_select_layer {select_layer}: the tower has {num_hidden_layers} layers"
        )
    return depth
