"""What the command line says and records of VILA-1.5's own questions: template, SparseVLM."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from llava.conversation import CONVERSATIONS
from sepm.method.config import PRESETS
from sepm.models.options import ConversationName


@pytest.fixture
def nameless(make_vila: Any, tmp_path: Path) -> Path:
    """A VILA-1.5 whose configuration does not tell which release it is."""
    return make_vila(tmp_path / "vila-own", recorded_name="./checkpoints/my-own/llm")


def test_every_template_can_be_asked_for_by_name() -> None:
    assert get_args(ConversationName) == ("auto", *CONVERSATIONS)


def test_sparsevlm_on_vila_is_refused_and_the_paper_named(evaluate: Any, tiny_vila: Path) -> None:
    said = evaluate("--model-path", tiny_vila, method="zero-shot sparsevlm", status=2).err
    assert "sparsevlm: the paper ran it on LLaVA only" in said
    assert "this model is a vila-1.5" in said
    assert not evaluate.output.exists()


def test_predicting_with_sparsevlm_on_vila_is_refused_too(
    scenes: Any, tiny_vila: Path, run_sepm: Any
) -> None:
    image = next(scenes.image_folder.rglob("*.png"))
    line = ["predict", image, "--model-path", tiny_vila, "--method", "sparsevlm"]
    said = run_sepm([*line, "--device", "cpu"], status=2).err
    assert "the paper ran it on LLaVA only" in said


def test_a_table_leaves_sparsevlm_out_on_vila_and_says_why(
    scenes: Any, tiny_vila: Path, tmp_path: Path, run_sepm: Any
) -> None:
    line = ["table", "1", "--tasks", "emoset", "--model-path", tiny_vila, "--device", "cpu"]
    files = ["--question-file", scenes.question_file, "--image-folder", scenes.image_folder]
    options = ["--output-dir", tmp_path, "--limit", "1", "--json"]
    (table,) = json.loads(run_sepm([*line, *files, *options]).out)
    cells = {row["name"]: row["cells"]["emoset"] for row in table["rows"]}
    left_out = cells.pop("sparsevlm (version 1.5, 192 tokens)")
    assert "the paper ran it on LLaVA only" in left_out["absent"]
    assert {name: cell["n"] for name, cell in cells.items()} == dict.fromkeys(cells, 1)


def test_a_template_that_nothing_tells_is_said_and_recorded(evaluate: Any, nameless: Path) -> None:
    said = evaluate("--model-path", nameless, "--limit", 1, method="zero-shot").err
    assert said.count("calls itself './checkpoints/my-own/llm'); llama_3 is used") == 1
    accuracy = json.loads((evaluate.output / "emoset/vila-own/zero-shot/accuracy.json").read_text())
    assert accuracy["prompt_format"]["chosen_by"] == "default"


@pytest.mark.parametrize(
    ("tiny_model", "own"),
    [("tiny_llava", "vicuna_v1"), ("tiny_vila", "llama_3")],
    indirect=["tiny_model"],
    scope="session",
)
def test_a_template_can_be_forced_on_every_family(own: str, evaluate: Any) -> None:
    evaluate("--limit", 1, "--conversation", "llama_3_fix", method="zero-shot")
    accuracy = evaluate.run("zero-shot").accuracy()
    assert accuracy["configuration"]["conversation"] == "llama_3_fix"
    assert accuracy["prompt_format"]["conversation"] == "llama_3_fix"
    assert accuracy["prompt_format"]["chosen_by"] == "option"
    # Without the option it would be another configuration.
    said = evaluate("--limit", 1, method="zero-shot", status=2).err
    assert f"configuration.conversation is 'llama_3_fix' there, '{own}' now" in said


def test_a_forced_template_needs_no_note(evaluate: Any, nameless: Path) -> None:
    options = ("--model-path", nameless, "--limit", 1, "--conversation", "llama_3")
    assert "calls itself" not in evaluate(*options, method="zero-shot").err


def test_the_forced_template_is_what_predict_asks_in(
    scenes: Any, tiny_vila: Path, monkeypatch: pytest.MonkeyPatch, run_sepm: Any
) -> None:
    from llava.prompt import PromptTokenizer

    asked: list[str] = []
    tokenize = PromptTokenizer._tokenize

    def record(self: PromptTokenizer, query: str) -> Any:
        asked.append(self.conversation.name)
        return tokenize(self, query)

    monkeypatch.setattr(PromptTokenizer, "_tokenize", record)
    image = next(scenes.image_folder.rglob("*.png"))
    line = ["predict", image, "--model-path", tiny_vila, "--device", "cpu", "--json"]
    (decision,) = json.loads(run_sepm([*line, "--conversation", "llama_3_fix"]).out)
    assert set(asked) == {"llama_3_fix"}
    assert (decision["num_visual_tokens"], len(decision["dropped"])) == (9, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs_on_vila(preset: str, evaluate: Any, tiny_vila: Path) -> None:
    evaluate("--model-path", tiny_vila, "--limit", 2, "--preset", preset, "--save-scores")
    (file,) = evaluate.output.rglob("predictions.jsonl")
    beta = 0.2 if preset in ("paper", "released-2025-03") else 0.1
    for row in map(json.loads, file.read_text().splitlines()):
        assert len(row["dropped"]) == int(beta * 9)
        assert len(row["foe_scores"]) == 9
