"""`scripts/vila/eval`: what each script runs, told by a Python that only writes down its words."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts" / "vila" / "eval"


@pytest.fixture
def words_of(outcome_of):
    """A function that runs a script with settings, and gives the words of its last command."""

    def run(name: str, **settings: str) -> list[str]:
        outcome = outcome_of(f"vila/eval/{name}", **settings)
        assert outcome.status == 0
        return outcome.commands[-1]

    return run


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_there_is_a_script_for_every_task_and_for_table_1() -> None:
    assert {path.stem for path in SCRIPTS.iterdir()} == {
        *("emoset", "emotion6", "webemo7", "webemo25", "abstract", "table1")
    }


@pytest.mark.parametrize("task", ["emoset", "emotion6", "webemo7", "webemo25", "abstract"])
def test_a_tasks_script_runs_zero_shot_and_sepm_on_vila(task: str, words_of) -> None:
    words = words_of(f"{task}.sh")

    assert words[:3] == ["-m", "sepm", "eval"]
    assert option(words, "--dataset") == task
    assert words[words.index("--method") + 1 :][:2] == ["zero-shot", "sepm"]
    assert option(words, "--model-path") == "Efficient-Large-Model/Llama-3-VILA1.5-8B"
    assert option(words, "--conversation") == "auto"


def test_table_1s_script_makes_table_1_on_vila(words_of) -> None:
    words = words_of("table1.sh")

    assert words[:4] == ["-m", "sepm", "table", "1"]
    assert option(words, "--model-path") == "Efficient-Large-Model/Llama-3-VILA1.5-8B"


def test_settings_come_from_the_environment(words_of) -> None:
    model = "Efficient-Large-Model/Llama-3-VILA1.5-8B-Fix"
    words = words_of("emoset.sh", MODEL=model, CONVERSATION="llama_3_fix", BETA="0.1")

    assert option(words, "--model-path") == model
    assert option(words, "--conversation") == "llama_3_fix"
    assert option(words, "--beta") == "0.1"
