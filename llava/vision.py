"""The vision tower, CLIP or SigLIP, built only as deep as it is read."""

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
        self.has_class_token = clip and self.num_layers > 0
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

    def encode(self, pixel_values: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features as of `forward`, and the class token's attention to each, in the last layer.

        The attention is float32[B, N], the mean over heads; None where there is no class token.
        """
        if not self.has_class_token:
            return self(pixel_values), None
        layers: Any = self.vision_model.encoder.layers  # type: ignore[union-attr]
        attention = layers[-1].self_attn
        with _outputs_of(query=attention.q_proj, key=attention.k_proj) as seen:
            features = self(pixel_values)
        heads = {k: v.float().unflatten(-1, (attention.num_heads, -1)) for k, v in seen.items()}
        query, key = heads["query"][:, :1].transpose(1, 2), heads["key"].permute(0, 2, 3, 1)
        weights = (query @ key * attention.scale).softmax(dim=-1)  # [B, H, 1, 1 + patches]
        return features, weights.mean(dim=1)[:, 0, -features.shape[1] :]

    def is_built(self, name: str) -> bool:
        """Whether a weight, by its name in the whole model, is of no layer after those read."""
        layer = re.match(r"vision_tower\.vision_model\.encoder\.layers\.(\d+)\.", name)
        return layer is None or int(layer[1]) < self.num_layers


@contextmanager
def _outputs_of(**modules: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Outputs of the modules in the passes within it, by the names given."""
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda *call, name=name: seen.__setitem__(name, call[-1]))
        for name, module in modules.items()
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


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
