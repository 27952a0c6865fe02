import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from transformers import LlamaTokenizer

from llava.conversation import VICUNA_V1
from llava.prompt import PromptTokenizer

ROOT = Path(__file__).parents[2]
RECORDER = """#!/usr/bin/env bash
[[ "$1" != */usable_python.py ]] || exit 0
printf '%s\\n' "$@" END >> "$WORDS"
exit "${STATUS:-0}"
"""


@dataclass(frozen=True)
class Outcome:
    """Result of running a script."""

    status: int
    commands: list[list[str]]
    """The words of each `python` command, in order."""
    errors: str

    @property
    def words(self) -> list[str]:
        """The words of the last command."""
        return self.commands[-1]

    def option(self, name: str) -> str:
        """The value of an option of the last command."""
        return self.words[self.words.index(name) + 1]


@pytest.fixture
def demo_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A function that imports a module of `scripts/demo` by name."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "demo"))
    return import_module


@pytest.fixture(scope="session")
def prompts() -> PromptTokenizer:
    """The prompt tokenizer of the bundled demo."""
    tokenizer = LlamaTokenizer.from_pretrained(ROOT / "data" / "demo" / "llava-demo")
    return PromptTokenizer(tokenizer, VICUNA_V1)


@pytest.fixture
def outcome_of(tmp_path: Path) -> Callable[..., Outcome]:
    """A function that runs a script over a Python that only writes down its words.

    It takes the script's options and settings. `STATUS` is what that Python exits with. The images
    and the question file are there unless the settings DATA and QUESTIONS say otherwise.
    """
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(RECORDER)
    python.chmod(0o755)
    data = tmp_path / "data"
    for name in ("image", "images"):
        (data / name).mkdir(parents=True)
    questions = tmp_path / "questions.jsonl"
    questions.touch()
    words = tmp_path / "words"

    def run(script: str, *options: str, **settings: str) -> Outcome:
        words.write_text("")
        own = {"SEPM_PYTHON": str(python), "WORDS": str(words)}
        there = {"DATA": str(data), "QUESTIONS": str(questions)}
        environment = {**os.environ, **own, **there, **settings}
        done = subprocess.run(
            ["bash", ROOT / "scripts" / script, *options],
            env=environment,
            check=False,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        commands = [c.split("\n") for c in words.read_text().split("\nEND\n")[:-1]]
        return Outcome(done.returncode, commands, done.stderr)

    return run
