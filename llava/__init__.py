"""The LLaVA-1.5 model tree: original checkpoints, run by transformers' own building blocks."""

from llava.errors import CheckpointError
from llava.load import load_llava
from llava.model import Llava

__all__ = ["CheckpointError", "Llava", "load_llava"]
