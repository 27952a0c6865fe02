"""The LLaVA-1.5 and VILA-1.5 models: original checkpoints, run by transformers' building blocks."""

from llava.checkpoints.family import Checkpoint, inspect_checkpoint, load_checkpoint
from llava.checkpoints.llava import load_llava
from llava.errors import CheckpointError
from llava.model import Llava

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Llava",
    "inspect_checkpoint",
    "load_checkpoint",
    "load_llava",
]
