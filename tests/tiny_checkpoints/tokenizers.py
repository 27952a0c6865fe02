"""Tokenizers of both families, trained on the queries that the project asks."""

import io
import string
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from llava.conversation import VICUNA_V1, VILA_SYSTEM
from sepm.analysis.tables import TASKS
from sepm.datasets.tasks import load_taxonomy
from sepm.method.config import PRESETS
from sepm.method.prompts import AMBIGUOUS_SENTENCE, CHAIN_OF_THOUGHT, coarse_body, fine_body
from tests.tiny_checkpoints.families_tokenizers import QWEN_WORDS, byte_level
from tests.tiny_checkpoints.weights import write_json

LLAMA_3_WORDS = QWEN_WORDS.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
LLAMA_3_SPECIAL = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "[PAD]"),
]


def queries() -> list[str]:
    """Queries of every task in every wording, and the sentences around them."""
    # Without those whose words are all another's: the tokenizer goes by how often each stands.
    configs = [config for name, config in PRESETS.items() if name != "released-2025-08"]
    texts = [AMBIGUOUS_SENTENCE, CHAIN_OF_THOUGHT, *(config.phrase for config in configs)]
    for taxonomy in map(load_taxonomy, sorted(TASKS)):
        texts.append(coarse_body(taxonomy))
        texts += [fine_body(taxonomy.classes, c.fine_question, c.fine_answer) for c in configs]
    return texts


def write_llama_tokenizer(folder: Path) -> SentencePieceProcessor:
    """A sentencepiece BPE tokenizer trained on whole prompts of LLaVA-1.5, set up as LLaMA's is.

    A bar stands for a line break in the training text, so that a line break stays a byte piece.
    """
    texts = [VICUNA_V1.render(text).replace("<image>", "") for text in queries()]
    prompts = [text.replace("\n", "|") for text in texts]
    letters = [f"{VICUNA_V1.before_answer} {letter}" for letter in string.ascii_uppercase]
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(prompts * 4 + letters * 20 + [string.printable.strip()]),
        model_writer=model, model_type="bpe", vocab_size=900, hard_vocab_limit=False,
        byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity",
        remove_extra_whitespaces=False, num_threads=1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {
        "tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True,
        "add_eos_token": False, "pad_token": None, "model_max_length": 2048,
        "padding_side": "right", "clean_up_tokenization_spaces": False, **special,
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", {**special, "pad_token": "<unk>"})
    return SentencePieceProcessor(model_proto=model.getvalue())


def write_llama_3_tokenizer(folder: Path, *, adds_bos: bool) -> Tokenizer:
    """A byte-level BPE tokenizer trained on the queries, its special tokens the last ids."""
    tokenizer = byte_level(models.BPE(ignore_merges=True), LLAMA_3_WORDS)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, show_progress=False, initial_alphabet=alphabet)
    headers = [f"{role}\n\n" for role in ("system", "user", "assistant")]
    tokenizer.train_from_iterator([*queries(), VILA_SYSTEM, *headers] * 4, trainer)
    tokenizer.add_special_tokens(LLAMA_3_SPECIAL)
    bos = LLAMA_3_SPECIAL[0]
    steps: list[Any] = [processors.ByteLevel(trim_offsets=False)]
    if adds_bos:
        own_id = (bos, tokenizer.token_to_id(bos))
        steps.append(processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[own_id]))
    tokenizer.post_processor = processors.Sequence(steps) if adds_bos else steps[0]
    tokenizer.save(str(folder / "tokenizer.json"))
    special = dict(zip(("bos_token", "eos_token"), LLAMA_3_SPECIAL[:2], strict=True))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": True,
        "legacy": False, "model_max_length": 4096, "padding_side": "right", **special,
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", special | {"pad_token": "[PAD]"})
    return tokenizer
