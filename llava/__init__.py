"""The LLaVA-1.5 and VILA-1.5 models: original checkpoints, run by transformers' building blocks."""

from llava.errors import CheckpointError
from llava.family import Checkpoint, inspect_checkpoint, load_checkpoint
from llava.load import load_llava
from llava.model import Llava

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Llava",
    "inspect_checkpoint",
    "load_checkpoint",
    "load_llava",
]
