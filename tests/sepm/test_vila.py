"""What the command line says and records of VILA-1.5's own questions: template, SparseVLM."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from llava.conversation import CONVERSATIONS
from sepm.cli import main
from sepm.method.config import PRESETS
from sepm.models.options import ConversationName

Told = pytest.CaptureFixture[str]


@pytest.fixture
def nameless(make_vila: Any, tmp_path: Path) -> Path:
    """A VILA-1.5 whose configuration does not tell which release it is."""
    return make_vila(tmp_path / "vila-own", recorded_name="./checkpoints/my-own/llm")


def test_every_template_can_be_asked_for_by_name() -> None:
    assert get_args(ConversationName) == ("auto", *CONVERSATIONS)


def test_sparsevlm_on_vila_is_refused_and_the_paper_named(
    scenes: Any, command: Any, tiny_vila: Path, tmp_path: Path, capsys: Told
) -> None:
    line = command(
        scenes, tmp_path / "out", "--model-path", tiny_vila, method="zero-shot sparsevlm"
    )
    assert main(line) == 2
    said = capsys.readouterr().err
    assert "sparsevlm: the paper ran it on LLaVA only" in said
    assert "this model is a vila-1.5" in said
    assert not (tmp_path / "out").exists()


def test_predicting_with_sparsevlm_on_vila_is_refused_too(
    scenes: Any, tiny_vila: Path, capsys: Told
) -> None:
    image = next(scenes.image_folder.rglob("*.png"))
    line = ["predict", str(image), "--model-path", str(tiny_vila), "--method", "sparsevlm"]
    assert main([*line, "--device", "cpu"]) == 2
    assert "the paper ran it on LLaVA only" in capsys.readouterr().err


def test_a_table_leaves_sparsevlm_out_on_vila_and_says_why(
    scenes: Any, tiny_vila: Path, tmp_path: Path, capsys: Told
) -> None:
    line = ["table", "1", "--tasks", "emoset", "--model-path", str(tiny_vila), "--device", "cpu"]
    files = ["--question-file", str(scenes.question_file), "--image-folder"]
    options = [str(scenes.image_folder), "--output-dir", str(tmp_path), "--limit", "1", "--json"]
    assert main([*line, *files, *options]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    cells = {row["name"]: row["cells"]["emoset"] for row in table["rows"]}
    left_out = cells.pop("sparsevlm (version 1.5, 192 tokens)")
    assert "the paper ran it on LLaVA only" in left_out["absent"]
    assert {name: cell["n"] for name, cell in cells.items()} == dict.fromkeys(cells, 1)


def test_a_template_that_nothing_tells_is_said_and_recorded(
    scenes: Any, command: Any, nameless: Path, tmp_path: Path, capsys: Told
) -> None:
    line = command(scenes, tmp_path, "--model-path", nameless, "--limit", 1, method="zero-shot")
    assert main(line) == 0
    said = capsys.readouterr().err
    assert said.count("calls itself './checkpoints/my-own/llm'); llama_3 is used") == 1
    accuracy = json.loads((tmp_path / "emoset/vila-own/zero-shot/accuracy.json").read_text())
    assert accuracy["prompt_format"]["chosen_by"] == "default"


@pytest.mark.parametrize("model", ["tiny_llava", "tiny_vila"])
def test_a_template_can_be_forced_on_every_family(
    model: str, scenes: Any, command: Any, tmp_path: Path, request: Any, capsys: Told
) -> None:
    folder = request.getfixturevalue(model)
    options = ("--model-path", folder, "--limit", 1)
    line = command(scenes, tmp_path, *options, method="zero-shot")
    assert main([*line, "--conversation", "llama_3_fix"]) == 0
    run = tmp_path / "emoset" / folder.name / "zero-shot"
    accuracy = json.loads((run / "accuracy.json").read_text())
    assert accuracy["configuration"]["conversation"] == "llama_3_fix"
    assert accuracy["prompt_format"]["conversation"] == "llama_3_fix"
    assert accuracy["prompt_format"]["chosen_by"] == "option"
    capsys.readouterr()

    assert main(line) == 2  # without the option it would be another configuration
    own = {"tiny_llava": "vicuna_v1", "tiny_vila": "llama_3"}[model]
    assert f"configuration.conversation is 'llama_3_fix' there, '{own}' now" in (
        capsys.readouterr().err
    )


def test_a_forced_template_needs_no_note(
    scenes: Any, command: Any, nameless: Path, tmp_path: Path, capsys: Told
) -> None:
    options = ("--model-path", nameless, "--limit", 1, "--conversation", "llama_3")
    assert main(command(scenes, tmp_path, *options, method="zero-shot")) == 0
    assert "calls itself" not in capsys.readouterr().err


def test_the_forced_template_is_what_predict_asks_in(
    scenes: Any, tiny_vila: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    from llava.prompt import PromptTokenizer

    asked: list[str] = []
    tokenize = PromptTokenizer._tokenize

    def record(self: PromptTokenizer, query: str) -> Any:
        asked.append(self.conversation.name)
        return tokenize(self, query)

    monkeypatch.setattr(PromptTokenizer, "_tokenize", record)
    image = next(scenes.image_folder.rglob("*.png"))
    line = ["predict", str(image), "--model-path", str(tiny_vila), "--device", "cpu", "--json"]
    assert main([*line, "--conversation", "llama_3_fix"]) == 0
    assert set(asked) == {"llama_3_fix"}
    (decision,) = json.loads(capsys.readouterr().out)
    assert (decision["num_visual_tokens"], len(decision["dropped"])) == (9, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs_on_vila(
    preset: str, scenes: Any, command: Any, tiny_vila: Path, tmp_path: Path
) -> None:
    options = ("--model-path", tiny_vila, "--limit", 2, "--preset", preset, "--save-scores")
    assert main(command(scenes, tmp_path, *options)) == 0
    (file,) = tmp_path.rglob("predictions.jsonl")
    beta = 0.2 if preset in ("paper", "released-2025-03") else 0.1
    for row in map(json.loads, file.read_text().splitlines()):
        assert len(row["dropped"]) == int(beta * 9)
        assert len(row["foe_scores"]) == 9
