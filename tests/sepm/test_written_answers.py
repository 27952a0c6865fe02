"""Answers that begin with an option letter's token and mean something else, end to end.

The checkpoint here writes one text, whatever it is asked: attention and MLPs add nothing, and the
output layer knows of each token which one follows. So a text may hold no token twice.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor

from llava import load_checkpoint

GOLDEN = Path(os.environ.get("SEPM_GOLDEN_DIR", Path(__file__).parents[3] / "shared" / "golden"))
LLAMA = GOLDEN / "llama2_tokenizer.model"
CPU = torch.device("cpu")
Json = dict[str, Any]


def make_it_write(folder: Path, ids: Sequence[int]) -> None:
    """Let a tiny checkpoint answer with these ids, all different, and the end."""
    prompt = load_checkpoint(str(folder), device=CPU, dtype=torch.float32).tokenize("?")
    path = folder / "model.safetensors"
    weights = load_file(path)
    for name, tensor in weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensor.zero_()
    embeddings, head = weights["model.embed_tokens.weight"], weights["lm_head.weight"]
    embeddings.zero_()
    head.zero_()
    chain = [prompt.input_ids[-1], *ids, 2]
    assert len(set(chain)) == len(chain) <= embeddings.shape[1]
    for channel, (token, following) in enumerate(pairwise(chain)):
        embeddings[token, channel] = head[following, channel] = 1.0
    save_file(weights, path, metadata={"format": "pt"})


@pytest.fixture
def writer(make_llava: Callable[..., Path], tmp_path: Path) -> Callable[[list[str]], Path]:
    """A function that makes a checkpoint, of the tests' own tokenizer, that writes some pieces."""

    def make(pieces: list[str]) -> Path:
        folder = make_llava(tmp_path / "writer")
        ids = SentencePieceProcessor(str(folder / "tokenizer.model")).piece_to_id(pieces)
        assert 0 not in ids, "all are pieces"
        make_it_write(folder, ids)
        return folder

    return make


@pytest.fixture
def llama_writer(make_llava: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    """A function that makes a checkpoint, of LLaMA's own tokenizer, that writes a text."""

    def make(text: str) -> Path:
        folder = make_llava(tmp_path / "writer")
        shutil.copy(LLAMA, folder / "tokenizer.model")
        weights = load_file(folder / "model.safetensors")
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            weights[name] = torch.zeros(32_000, weights[name].shape[1])
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 32_000}))
        make_it_write(folder, SentencePieceProcessor(str(LLAMA)).encode(text))
        return folder

    return make


@pytest.fixture
def check(scenes: Any, tmp_path: Path, run_sepm: Any) -> Callable[[Path, str, str | None], None]:
    """A function that sees that eval, at batch 1 and 8, and predict keep and read a text."""

    def see(checkpoint: Path, text: str, emotion: str | None) -> None:
        model = ("--model-path", checkpoint, "--device", "cpu", "--method", "zero-shot")
        data = ("--question-file", scenes.question_file, "--image-folder", scenes.image_folder)
        for size in (1, 8):
            folder = tmp_path / "out" / str(size)
            options = ("--limit", 8, "--batch-size", size, "--output-dir", folder)
            run_sepm(["eval", *model, *data, *options])
            (path,) = folder.rglob("predictions.jsonl")
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            assert len(rows) == 8
            assert {row["fine"]["text"] for row in rows} == {text}
            assert {row["prediction"] for row in rows} == {emotion}
            assert {row["fine"]["read"] for row in rows} == {"text" if emotion else None}
            counts = json.loads(path.with_name("accuracy.json").read_text())["answers"]
            assert counts == {"letter": 0, "text": 8 * bool(emotion), "unread": 8 * (not emotion)}
        image = scenes.image_folder / scenes.questions()[0]["image"]
        (decision,) = json.loads(run_sepm(["predict", *model, "--json", image]).out)
        assert (decision["fine"]["text"], decision["prediction"]) == (text, emotion)

    return see


@pytest.mark.parametrize(
    ("pieces", "text", "emotion"),
    [
        (["▁F", "e", "a", "r"], "Fear", "fear"),
        (["▁A", "w", "e"], "Awe", "awe"),
        (["▁A", "▁", "m", "a", "n"], "A man", None),
    ],
)
def test_an_answer_that_begins_as_a_letter_does_is_read_as_it_is_written(
    pieces: list[str], text: str, emotion: str | None, writer: Any, check: Any
) -> None:
    check(writer(pieces), text, emotion)


@pytest.mark.skipif(not LLAMA.is_file(), reason=f"LLaMA's tokenizer is not at {GOLDEN}")
@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("Fear", "fear"),
        ("Awe", "awe"),
        ("A man smiles. So the answer is D", "contentment"),
        ("I think the answer is E.", "disgust"),
    ],
)
def test_with_llamas_tokenizer_too(text: str, emotion: str, llama_writer: Any, check: Any) -> None:
    check(llama_writer(text), text, emotion)
