"""`scripts/gpu_check.sh`: what it says without a GPU, and its first steps on the pretended one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from sepm.cli import main
from tests.pretended_gpu import IN_EVERY_PROCESS, pretended_gpu

ROOT = Path(__file__).parents[2]


check = import_module("scripts.gpu_check.check")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all steps write to, since one compares with another's runs."""
    return tmp_path_factory.mktemp("check")


@pytest.fixture
def on_the_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    """A function that makes a check over some scenes on the pretended GPU.

    Commands without a launcher run in this process, which has imported everything.
    """
    run_apart = check.Check.run

    def run_here(self: Any, log: str, *words: object, **how: Any) -> str:
        if words[:2] != ("-m", "sepm"):
            return run_apart(self, log, *words, **{"seconds": 300, **how})
        path = self.folder / f"{log}.log"
        with path.open("w") as file, redirect_stdout(file), redirect_stderr(file):
            assert main([*map(str, words[2:])]) == 0
        return path.read_text()

    monkeypatch.setattr(check.Check, "run", run_here)
    monkeypatch.setenv("PYTHONPATH", f"{IN_EVERY_PROCESS}:{ROOT}")
    with pretended_gpu():
        yield lambda scenes: check.Check(folder, scenes, time.monotonic() + 1000)


@pytest.mark.parametrize(
    ("step", "scenes", "shown"),
    [
        ("eval", 3, "3 rows on cuda:0 (pretended GPU) in float16"),
        ("methods", 9, "63 of 63 rows, 0 decided otherwise"),
        ("settings", 4, "4 of 4 rows, 0 decided otherwise"),
        ("processes", 9, "18 of 18 rows, 0 decided otherwise"),  # a window of 8, and one more row
        ("audit", 2, "bfloat16 at batch 8: 0 other answers"),
    ],
)
def test_a_step_holds_on_the_pretended_gpu(
    step: str, scenes: int, shown: str, on_the_gpu: Any
) -> None:
    held, said = check.carry_out(check.STEPS[step][1], on_the_gpu(scenes))
    assert held, said
    assert shown in said


@pytest.fixture
def rows(tmp_path: Path) -> Any:
    """A function that writes a folder with one run of one row, changed as asked."""

    def write(name: str, **changes: object) -> Path:
        row = {
            "question_id": "fear/1.png", "prediction": "fear", "dropped": [1, 5],
            "coarse": {"text": "B", "branch": "negative", "p_a": 0.25, "p_b": 0.75},
            "fine": {"text": "G", "probs": {"B": 0.1, "G": 0.9}},
            "rotations": [{"text": "B", "probs": {"B": 0.75, "G": 0.25}}], **changes,
        }  # fmt: skip
        path = tmp_path / name / "sepm" / "predictions.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(row) + "\n")
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"prediction": "anger"}, "1 decided otherwise, .*: sepm fear/1.png"),
        ({"dropped": [1, 6]}, "1 decided otherwise"),
        ({"coarse": {"text": "B", "branch": "ambiguous"}}, "1 decided otherwise"),
        ({"fine": {"text": "G", "probs": {"B": 0.1, "G": 0.8997}}}, r"\|Δp\| <= 3.0e-04"),
        ({"rotations": [{"text": "G", "probs": {"B": 0.75, "G": 0.25}}]}, "1 decided otherwise"),
        ({"rotations": [{"text": "B", "probs": {"B": 0.7, "G": 0.25}}]}, r"<= 5.0e-02"),
        ({"question_id": "fear/2.png"}, "0 of 1 rows"),
    ],
)
def test_rows_that_differ_do_not_hold(rows: Any, changes: dict[str, Any], shown: str) -> None:
    with pytest.raises(check.NotHeldError, match=shown):
        check.compared(rows("cpu"), rows("gpu", **changes), 1)


def test_a_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = "import subprocess; subprocess.run(['sleep', '100'])"
    started = time.monotonic()
    held, said = check.carry_out(
        lambda running: running.run("slow", "-c", child, seconds=1),
        check.Check(tmp_path, 1, time.monotonic() + 60),
    )
    assert (held, "not done after 1 s" in said) == (False, True)
    assert time.monotonic() - started < 30


def test_when_the_time_of_all_steps_is_over_the_rest_is_not_held(tmp_path: Path) -> None:
    late = check.Check(tmp_path, 1, time.monotonic() - 1)
    held, said = check.carry_out(check.STEPS["eval"][1], late)
    assert (held, said) == (False, "the 530 s of all steps are over")


def script(python: Path | str, *words: Path) -> "subprocess.CompletedProcess[str]":
    """The whole script, run by a Python."""
    command = ["bash", ROOT / "scripts" / "gpu_check.sh", *words]
    environment = {**os.environ, "SEPM_PYTHON": str(python)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_and_ends_with_status_2(tmp_path: Path) -> None:
    done = script(sys.executable, tmp_path / "check")
    assert (done.returncode, "no GPU here" in done.stderr) == (2, True)
    assert not (tmp_path / "check").exists()


def test_a_python_that_is_too_old_is_told_and_is_status_2(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = script(old)
    assert (done.returncode, "name one with SEPM_PYTHON" in done.stderr) == (2, True)
