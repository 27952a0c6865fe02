"""Families of checkpoints, told apart by their files; one way in for both."""

from pathlib import Path
from typing import Any

import torch

from llava.checkpoints.checkpoint import Checkpoint
from llava.checkpoints.files import locate, read_json
from llava.checkpoints.llava import inspect_llava
from llava.checkpoints.vila import inspect_vila, is_vila
from llava.model import Llava


def inspect_checkpoint(model_path: str) -> Checkpoint:
    """The checkpoint of a local folder or a hub id, which is downloaded.

    Raises:
        CheckpointError: it is not there, incomplete, or of no known family.
    """
    folder = locate(model_path, "model")
    return inspect_folder(folder, read_json(folder, "config.json"))


def inspect_folder(folder: Path, stored: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a local folder, given its `config.json`.

    Raises:
        CheckpointError: it is incomplete, or of no known family.
    """
    return inspect_vila(folder, stored) if is_vila(stored) else inspect_llava(folder, stored)


def load_checkpoint(
    model_path: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    vision_dtype: torch.dtype | None = None,
) -> Llava:
    """The model of a checkpoint: `inspect_checkpoint`, then `Checkpoint.load`."""
    checkpoint = inspect_checkpoint(model_path)
    return checkpoint.load(device=device, dtype=dtype, vision_dtype=vision_dtype)
