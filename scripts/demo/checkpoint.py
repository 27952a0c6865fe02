"""Writing the demo model in the original LLaVA-1.5 layout, tensor names and all.

It has a sentencepiece tokenizer of its own, trained on the words of the prompts it has to read.
"""

import io
import json
import string
from pathlib import Path

import sentencepiece
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaTokenizer, PreTrainedTokenizerBase

from dialogues import PHRASES, every_query, spoken_answers
from llava.conversation import VICUNA_V1
from model import COMMITTED, DemoModel

TOWER_FOLDER = "vision_tower"
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
    """Train the tokenizer, write it beside all configurations, and load it from there."""
    copy_configurations(folder)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, model_type="bpe",
        vocab_size=VOCAB_SIZE, hard_vocab_limit=False, byte_fallback=True, character_coverage=1.0,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True,
        split_digits=True, num_threads=1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return LlamaTokenizer.from_pretrained(folder)


def write_checkpoint(model: DemoModel, folder: Path) -> None:
    """Weights, and the vocabulary's size; tokenizer and configurations are already there."""
    projector = {f"model.mm_projector.{k}": v for k, v in model.projector.state_dict().items()}
    _save(model.language_model.state_dict() | projector, folder / "model.safetensors")
    _save(_tower_weights(model), folder / TOWER_FOLDER / "model.safetensors")
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["vocab_size"] = model.language_model.config.vocab_size
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def copy_configurations(folder: Path) -> None:
    """Write the committed checkpoint's JSON files into a folder, which may be its own."""
    for committed in COMMITTED.rglob("*.json"):
        path = folder / committed.relative_to(COMMITTED)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(committed.read_bytes())


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    stored = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    save_file(stored, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors leaves the file to its owner alone


def _tower_weights(model: DemoModel) -> dict[str, Tensor]:
    """The tower under the original names, whatever prefix this transformers has in memory."""
    return {
        f"vision_model.{name.removeprefix('vision_model.')}": tensor
        for name, tensor in model.tower.state_dict().items()
        if not name.endswith("position_ids")
    }
