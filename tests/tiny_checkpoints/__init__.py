"""Tiny LLaVA-1.5 and VILA-1.5 checkpoints with random weights, laid out as real ones are."""

from tests.tiny_checkpoints.llava import write_llava
from tests.tiny_checkpoints.tokenizers import write_llama_3_tokenizer
from tests.tiny_checkpoints.variants import Variant, VilaVariant
from tests.tiny_checkpoints.vila import write_vila

__all__ = ["Variant", "VilaVariant", "write_llama_3_tokenizer", "write_llava", "write_vila"]
