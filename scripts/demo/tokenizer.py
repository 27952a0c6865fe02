"""The demo's own sentencepiece tokenizer, trained on the words of the prompts it has to read."""

import io
import string
from pathlib import Path

import sentencepiece
from transformers import LlamaTokenizer, PreTrainedTokenizerBase

from checkpoint import copy_committed
from dialogues import PHRASES, every_query, spoken_answers
from llava.conversation import VICUNA_V1

VOCAB_SIZE = 896
"""Upper bound: 3 special pieces, 256 bytes, the characters, and the merges towards whole words."""

LINE_BREAK_STAND_IN = "|"
"""Training text has no line breaks (they become the byte piece <0x0A>, as in LLaMA's tokenizer);
this character in their place keeps a line's first word free of a leading space."""


def corpus() -> list[str]:
    """Everything the model reads or writes, repeated until each of its words is one piece."""
    queries = [VICUNA_V1.render(query.text).replace("<image>", "") for query in every_query()]
    texts = [text.replace("\n", LINE_BREAK_STAND_IN) for text in queries]
    letters = [f"ASSISTANT: {letter}" for letter in string.ascii_uppercase] * 20
    return (texts + spoken_answers() + list(PHRASES)) * 20 + letters + [string.printable.strip()]


def write_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Train the tokenizer, write its files as LLaVA-1.5 has them, and load it from there."""
    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, model_type="bpe",
        vocab_size=VOCAB_SIZE, hard_vocab_limit=False, byte_fallback=True, character_coverage=1.0,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True,
        split_digits=True, num_threads=1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        copy_committed(name, folder)
    return LlamaTokenizer.from_pretrained(folder)
