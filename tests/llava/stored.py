"""Weights and settings of a tiny checkpoint's folder, as transformers' own classes take them."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from llava.checkpoints.files import read_json

EAGER: dict[str, Any] = {"attn_implementation": "eager"}
LEFT_OUT = ("model_type", "torch_dtype", "max_length", "architectures", "_name_or_path")


def weights_of(folder: Path) -> dict[str, Tensor]:
    """All weights of one file, under their stored names."""
    weights = load_file(folder / "model.safetensors")
    return {name: t.float() for name, t in weights.items() if not name.endswith("position_ids")}


def config_of(folder: Path) -> dict[str, Any]:
    """Settings of a configuration, with eager attention."""
    stored = read_json(folder, "config.json")
    kept = {k: v for k, v in stored.items() if k not in LEFT_OUT and not k.startswith("mm_")}
    return kept | EAGER
