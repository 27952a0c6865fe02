"""Sizes of the tiny checkpoints, and the ways in which they differ from each other."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Variant:
    """One LLaVA-1.5 checkpoint; the defaults are those of `tiny_llava`."""

    seed: int = 42
    gain: float = 2.0
    """Scale of the language model's linear maps and of the option letters' rows in its output. At 2
    the image decides the answer; at 1 less is rounded off, for comparisons to 1e-5."""
    hidden: int = 32
    layers: int = 3
    heads: int = 4
    kv_heads: int = 4
    vision_hidden: int = 24
    vision_layers: int = 3
    image: int = 56
    patch: int = 14
    projector: Literal["mlp2x_gelu", "linear"] = "mlp2x_gelu"
    storage: Literal["safetensors", "bin"] = "safetensors"
    shards: int = 1
    model_type: str = "llava"
    image_aspect_ratio: str | None = "pad"
    tied: bool = False
    """The output layer is the embedding, and is not stored."""
    rotary_buffers: bool = False
    """Store `rotary_emb.inv_freq`, as the real files do."""
    embedded_tower: bool = False
    """Store the vision tower inside the checkpoint too (re-saved forks), with other weights."""
    unfreeze_tower: bool = False
    """The configuration says that the tower was trained with the rest."""
    full_clip: bool = False
    """The tower's folder holds all of CLIP, written by an old transformers, as on the hub."""

    @property
    def patches(self) -> int:
        """Patches of the image the model reads."""
        return (self.image // self.patch) ** 2


@dataclass(frozen=True)
class VilaVariant(Variant):
    """One VILA-1.5 checkpoint: 5 × 5 patches, an odd number in a line."""

    seed: int = 45
    kv_heads: int = 2
    image: int = 70
    model_type: str = "llava_llama"
    image_aspect_ratio: str | None = "resize"
    adds_bos: bool = False
    """The tokenizer writes BOS by itself, as Llama-3's does since 23 April 2024."""
    recorded_name: str = "./checkpoints/vila-siglip-llama3-8b-pretrain_r4/llm"
    part_configs: bool = True
    """Each folder has its own configuration; else the root's copies are all there is."""
