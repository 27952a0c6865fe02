"""The sizes of the models that can be measured; torch is not needed to name them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LanguageShape:
    """Sizes of a LLaMA."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    rope_theta: float = 10_000.0


@dataclass(frozen=True)
class TowerShape:
    """Sizes of a vision tower, whose last hidden state but one is read."""

    kind: Literal["clip", "siglip"]
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    image_size: int
    patch_size: int = 14


@dataclass(frozen=True)
class Shape:
    """Sizes of a whole model.

    A CLIP stands in a LLaVA-1.5, with its two-layer projector; a SigLIP in a VILA-1.5, whose
    projector makes one visual token of four patches.
    """

    name: str
    language: LanguageShape
    tower: TowerShape


SHAPES = {
    shape.name: shape
    for shape in (
        Shape(
            "0.3b",
            LanguageShape(768, 2064, 32, 12, 12, 32_000),
            TowerShape("clip", 192, 768, 24, 3, 336),
        ),
        Shape(
            "llava-1.5-7b",
            LanguageShape(4096, 11_008, 32, 32, 32, 32_000),
            TowerShape("clip", 1024, 4096, 24, 16, 336),
        ),
        Shape(
            "vila1.5-8b",
            LanguageShape(4096, 14_336, 32, 32, 8, 128_256, rope_theta=500_000.0),
            TowerShape("siglip", 1152, 4304, 27, 16, 384),
        ),
        Shape(
            "demo",
            LanguageShape(128, 320, 3, 4, 4, 896),
            TowerShape("clip", 128, 384, 5, 4, 64, patch_size=8),
        ),
    )
}
"""Every shape by name. "0.3b" is LLaVA-1.5-7B as deep as it is and 3/16 as wide, with heads of 64;
"demo" is the bundled checkpoint's; the others are those of the real checkpoints."""
