"""`scripts/transformers/eval`: their commands on a tiny Qwen2.5-VL, and the settings passed on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main
from sepm.datasets.tasks import load_taxonomy
from tests.tiny_checkpoints.families import image_of, write_family

FOLDER = Path(__file__).parents[2] / "scripts" / "transformers" / "eval"
TASKS = ("emoset", "emotion6", "webemo7", "webemo25", "abstract")
IMAGES = {"emoset": "image", "emotion6": "images"}
"""Folder of the images below a task's data, where it is not these themselves."""
QWEN = "Qwen/Qwen2.5-VL-7B-Instruct"
METHODS = ["zero-shot", "fp", "cci", "cci+fp", "sepm"]


@pytest.fixture(scope="module")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "qwen-tiny"
    write_family("qwen2_5_vl", folder)
    return folder


def write_samples(task: str, images: Path, questions: Path) -> None:
    """Two images of a task's classes, and the question file about them."""
    names = load_taxonomy(task).names[:2]
    images.mkdir(parents=True, exist_ok=True)
    questions.parent.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        image_of(80, 60, seed).save(images / f"{name}.png")
    rows = [{"question_id": n, "image": f"{n}.png", "category": n} for n in names]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))


def carry_out(outcome: Any) -> None:
    """Run a script's one command in this process, which has imported everything."""
    (words,) = outcome.commands
    assert words[:2] == ["-m", "sepm"]
    assert main(words[2:]) == 0


def accuracy_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "accuracy.json").read_text())


def test_there_is_a_script_for_every_task_and_for_table_1() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {*TASKS, "table1"}


@pytest.mark.parametrize("task", ["emoset", "webemo25"])  # the others differ in names alone
def test_a_tasks_script_evaluates_every_method(
    task: str, outcome_of: Callable[..., Any], tiny_qwen: Path, tmp_path: Path
) -> None:
    write_samples(task, tmp_path / "data" / IMAGES.get(task, ""), tmp_path / "questions.jsonl")
    settings = {"MODEL": str(tiny_qwen), "PROCESSOR": "max_pixels=12544", "BETA": "0.25"}
    output = tmp_path / "results"
    carry_out(outcome_of(f"transformers/eval/{task}.sh", OUTPUT=str(output), **settings))
    runs = output / task / "qwen-tiny"
    assert {run.name for run in runs.iterdir()} == {*METHODS[:-1], "sepm-beta0.25"}
    for run in runs.iterdir():
        accuracy = accuracy_of(run)
        assert (accuracy["n"], accuracy["errors"]) == (2, 0)
        assert accuracy["configuration"]["processor"]["max_pixels"] == 12544


def test_table_1_is_made_without_what_the_model_cannot_do(
    outcome_of: Callable[..., Any], tiny_qwen: Path, tmp_path: Path
) -> None:
    data, questions, output = (tmp_path / name for name in ("data", "questions", "results"))
    write_samples("emoset", data / "EmoSet-118K" / "image", questions / "emoset" / "stage_1.jsonl")
    folders = {"DATA": str(data), "QUESTIONS": str(questions), "OUTPUT": str(output)}
    settings = {"MODEL": str(tiny_qwen), "TASKS": "emoset", **folders}
    carry_out(outcome_of("transformers/eval/table1.sh", **settings))
    runs = {run.name for run in (output / "emoset" / "qwen-tiny").iterdir()}
    assert runs == {"zero-shot", "zero-shot-cot", "sepm", "sepm-beta0.1"}
    table = (output / "tables" / "qwen-tiny" / "table1.md").read_text()
    assert "- emoset, sparsevlm (version 1.5, 192 tokens): sparsevlm: the paper ran it on" in table
    assert "offers no layer-wise prefill" in table


@pytest.mark.parametrize("task", TASKS)
def test_without_settings_it_is_qwen_with_its_own_processor(
    task: str, outcome_of: Callable[..., Any]
) -> None:
    outcome = outcome_of(f"transformers/eval/{task}.sh", STATUS="2")
    assert outcome.option("--dataset") == task
    assert outcome.option("--model-path") == QWEN
    at = outcome.words.index("--method") + 1
    assert outcome.words[at : outcome.words.index("--question-file")] == METHODS
    assert not {"--processor", "--alpha", "--beta"} & set(outcome.words)
    assert f"MODEL=/path/to/Qwen2.5-VL-7B-Instruct bash {FOLDER / task}.sh" in outcome.errors


def test_settings_come_from_the_environment(outcome_of: Callable[..., Any]) -> None:
    settings = {"MODEL": "Qwen/Qwen3-VL-4B-Instruct", "ALPHA": "0.05", "METHODS": "zero-shot sepm"}
    more = {"PROCESSOR": "min_pixels=3136 max_pixels=12544", "GPUS": "0,1"}
    outcome = outcome_of("transformers/eval/emoset.sh", **settings, **more)
    assert outcome.option("--model-path") == settings["MODEL"]
    assert outcome.option("--alpha") == "0.05"
    assert outcome.option("--num_processes") == "2"
    at = outcome.words.index("--method") + 1
    assert outcome.words[at : at + 3] == ["zero-shot", "sepm", "--question-file"]
    at = outcome.words.index("--processor") + 1
    assert outcome.words[at : at + 2] == ["min_pixels=3136", "max_pixels=12544"]
