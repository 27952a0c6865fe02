"""The LLaVA-1.5 and VILA-1.5 models: original checkpoints, run by transformers' building blocks."""

from llava.checkpoints.checkpoint import Checkpoint
from llava.checkpoints.family import inspect_checkpoint, load_checkpoint
from llava.errors import CheckpointError
from llava.model import Llava, VisualTokens

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Llava",
    "VisualTokens",
    "inspect_checkpoint",
    "load_checkpoint",
]

PART_OF_SEPM = True
"""Tells this package from the original LLaVA's, which has the same name."""
