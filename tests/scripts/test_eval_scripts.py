"""`scripts/*/eval`: which commands the settings give, and what is said where something lacks."""

import sys
from pathlib import Path

import pytest

TASKS = ("emoset", "emotion6", "webemo7", "webemo25", "abstract")
VILA = "Efficient-Large-Model/Llama-3-VILA1.5-8B"
SETTINGS = [("abstract", "TIES", "--ties", "drop"), ("emotion6", "SPLIT", "--split", "testing.txt")]


@pytest.mark.parametrize(("task", "setting", "name", "value"), SETTINGS)
def test_a_setting_makes_the_question_file_again(
    outcome_of, tmp_path: Path, task: str, setting: str, name: str, value: str
) -> None:
    (tmp_path / "questions.manifest.json").touch()
    made, _ = outcome_of(f"v1_5/eval/{task}.sh", **{setting: value}).commands
    assert made[:4] == ["-m", "sepm", "questions", task]
    assert made[made.index(name) + 1] == value
    assert made[made.index("--output") + 1] == str(tmp_path / "questions.jsonl")


@pytest.mark.parametrize(("task", "setting", "name", "value"), SETTINGS)
def test_a_setting_never_replaces_a_question_file_made_by_hand(
    outcome_of, task: str, setting: str, name: str, value: str
) -> None:
    outcome = outcome_of(f"v1_5/eval/{task}.sh", **{setting: value})
    assert (outcome.status, outcome.commands) == (2, [])
    assert f"it cannot be made with {name} {value}" in outcome.errors


def test_without_a_setting_a_question_file_stays_and_that_is_said(
    outcome_of, tmp_path: Path
) -> None:
    (tmp_path / "questions.manifest.json").touch()
    outcome = outcome_of("v1_5/eval/abstract.sh")
    assert [words[2] for words in outcome.commands] == ["eval"]
    assert "questions.jsonl is used as it is" in outcome.errors


def test_a_question_file_that_is_not_there_is_made_with_the_readers_defaults(
    outcome_of, tmp_path: Path
) -> None:
    made, _ = outcome_of("v1_5/eval/abstract.sh", QUESTIONS=str(tmp_path / "a.jsonl")).commands
    assert made[2] == "questions"
    assert "--ties" not in made


@pytest.mark.parametrize(("settings", "said"), [({}, True), ({"SPLIT": "testing.txt"}, False)])
def test_emotion6_without_a_split_says_that_it_is_not_the_papers_n(
    outcome_of, tmp_path: Path, settings: dict[str, str], said: bool
) -> None:
    outcome = outcome_of("v1_5/eval/emotion6.sh", QUESTIONS=str(tmp_path / "a.jsonl"), **settings)
    assert ("all 1,980 images will be evaluated" in outcome.errors) == said
    assert [words[2] for words in outcome.commands] == ["questions", "eval"]


@pytest.mark.parametrize(
    ("task", "section"),
    [
        ("emoset", "## EmoSet-118K"),
        ("emotion6", "## Emotion6"),
        ("webemo7", "## WebEmo"),
        ("webemo25", "## WebEmo"),
        ("abstract", "## Abstract"),
    ],
)
@pytest.mark.parametrize("questions", ["questions.jsonl", "absent.jsonl"])
def test_absent_data_is_told_how_to_get_with_or_without_a_question_file(
    outcome_of, tmp_path: Path, task: str, section: str, questions: str
) -> None:
    settings = {"DATA": str(tmp_path / "absent"), "QUESTIONS": str(tmp_path / questions)}
    outcome = outcome_of(f"v1_5/eval/{task}.sh", SEPM_PYTHON=sys.executable, **settings)
    assert (outcome.status, outcome.commands) == (2, [])
    assert section in outcome.errors
    assert "quickstart.sh" in outcome.errors


def test_sensitivity_takes_the_data_of_its_task(outcome_of) -> None:
    outcome = outcome_of("v1_5/eval/sensitivity.sh", TASK="emotion6", DATA="")
    # Asked how to get it, or taken where this working copy has the data set.
    assert "data/Emotion6/images" in str(outcome.commands)
    assert "EmoSet" not in str(outcome.commands)


def test_sensitivity_takes_the_images_and_settings_that_are_given(outcome_of, tmp_path: Path):
    settings = {"TASK": "emotion6", "CONVERSATION": "llama_3"}
    outcome = outcome_of("v1_5/eval/sensitivity.sh", **settings)
    assert outcome.option("--dataset") == "emotion6"
    assert outcome.option("--image-folder") == str(tmp_path / "data" / "images")
    assert outcome.option("--conversation") == "llama_3"


def test_sensitivity_of_an_unknown_task_is_status_2(outcome_of) -> None:
    outcome = outcome_of("v1_5/eval/sensitivity.sh", TASK="emoset2")
    assert (outcome.status, outcome.commands) == (2, [])
    assert "unknown TASK 'emoset2'" in outcome.errors


@pytest.mark.parametrize("script", ["emoset", "sensitivity", "table1"])
def test_status_2_tells_how_to_name_the_weights_and_where_the_demo_is(outcome_of, script: str):
    outcome = outcome_of(f"v1_5/eval/{script}.sh", STATUS="2")
    assert outcome.status == 2
    assert "MODEL=/path/to/llava-v1.5-7b bash" in outcome.errors
    assert "quickstart.sh" in outcome.errors


def test_weights_that_are_there_need_no_hint(outcome_of, tmp_path: Path) -> None:
    assert "MODEL=" not in outcome_of("v1_5/eval/emoset.sh", STATUS="2", MODEL=str(tmp_path)).errors


def test_one_gpu_needs_no_launcher(outcome_of) -> None:
    (words,) = outcome_of("v1_5/eval/emoset.sh", GPUS="3").commands
    assert words[:3] == ["-m", "sepm", "eval"]


@pytest.mark.parametrize("script", ["v1_5/eval/emoset", "v1_5/eval/table1", "vila/eval/emoset"])
def test_several_gpus_get_a_process_each(outcome_of, script: str) -> None:
    outcome = outcome_of(f"{script}.sh", GPUS="0,2,3")
    assert outcome.words[:3] == ["-m", "accelerate.commands.launch", "--multi_gpu"]
    assert outcome.option("--num_processes") == "3"
    assert outcome.words[outcome.words.index("sepm") - 1] == "-m"


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"GPUS": "1,3"}, "1,3"),
        ({"CUDA_VISIBLE_DEVICES": "2"}, "2"),
        ({"CUDA_VISIBLE_DEVICES": ""}, ""),  # no GPU is to be used
    ],
)
def test_only_the_gpus_asked_for_are_seen(
    given: dict[str, str], seen: str, outcome_of, tmp_path: Path
) -> None:
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "$CUDA_VISIBLE_DEVICES" > "{tmp_path}/visible"\n')
    assert outcome_of("v1_5/eval/emoset.sh", **given).status == 0
    assert (tmp_path / "visible").read_text() == f"{seen}\n"


def test_vila_has_a_script_for_every_task_and_for_table_1() -> None:
    scripts = Path(__file__).parents[2] / "scripts" / "vila" / "eval"
    assert {path.stem for path in scripts.iterdir()} == {*TASKS, "table1"}


@pytest.mark.parametrize("task", TASKS)
def test_a_tasks_script_of_vila_runs_zero_shot_and_sepm_on_it(task: str, outcome_of) -> None:
    outcome = outcome_of(f"vila/eval/{task}.sh")
    assert outcome.status == 0
    assert outcome.words[:3] == ["-m", "sepm", "eval"]
    assert outcome.option("--dataset") == task
    assert outcome.words[outcome.words.index("--method") + 1 :][:2] == ["zero-shot", "sepm"]
    assert outcome.option("--model-path") == VILA
    assert outcome.option("--conversation") == "auto"


@pytest.mark.parametrize(
    ("script", "number", "model"),
    [
        *((f"v1_5/eval/table{number}", number, "liuhaotian/llava-v1.5-7b") for number in "123"),
        ("vila/eval/table1", "1", VILA),
    ],
)
def test_a_tables_script_makes_that_table(script: str, number: str, model: str, outcome_of) -> None:
    outcome = outcome_of(f"{script}.sh", STATUS="2")
    assert outcome.words[:4] == ["-m", "sepm", "table", number]
    assert outcome.option("--model-path") == model
    assert f"v1_5/eval/table{number}.sh" in outcome.errors


def test_settings_of_vila_come_from_the_environment(outcome_of) -> None:
    settings = {"MODEL": f"{VILA}-Fix", "CONVERSATION": "llama_3_fix", "BETA": "0.1"}
    outcome = outcome_of("vila/eval/emoset.sh", **settings)
    for name, value in zip(
        ("--model-path", "--conversation", "--beta"), settings.values(), strict=True
    ):
        assert outcome.option(name) == value
