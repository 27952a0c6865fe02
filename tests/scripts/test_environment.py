"""`scripts/environment.sh`: which Python the scripts use, and what they say before each step."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
usable_python = import_module("scripts.usable_python")


def sourced(python: Path | str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Result of a script of one step that says which Python it has, with SEPM_PYTHON set."""
    program = f"set -eu; steps=2; source {ROOT}/scripts/environment.sh {' '.join(words)}\n"
    program += "step 'then: 1 s'; python -c 'import sys; print(sys.executable)'"
    return subprocess.run(
        ["bash", "-c", program],
        env={**os.environ, "SEPM_PYTHON": str(python), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_python_that_is_named_is_used_whatever_its_name_and_neighbours(tmp_path: Path) -> None:
    other = program(tmp_path / "python", "echo the wrong one")
    mine = program(tmp_path / "my-python3", f'exec "{sys.executable}" "$@"')
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for name in (mine, "my-python3"):
        done = sourced(name, PATH=path)
        assert (done.returncode, done.stdout.strip()) == (0, sys.executable), done.stderr
    assert other.exists()


def test_steps_are_numbered() -> None:
    said = sourced(sys.executable).stderr.splitlines()
    assert said == [
        f"== 1/2 Python packages: those of SEPM_PYTHON={sys.executable} ==",
        "== 2/2 then: 1 s ==",
    ]


@pytest.mark.parametrize("python", ["/nowhere/python", ROOT, ROOT / "README.md"])
def test_what_is_no_program_is_an_error(python: Path | str) -> None:
    done = sourced(python)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"SEPM_PYTHON={python} cannot be used: there is no such program" in done.stderr


def test_a_python_without_the_packages_is_an_error_that_names_them(tmp_path: Path) -> None:
    bare = program(tmp_path / "python", f'exec "{sys.executable}" -S "$@"')
    done = sourced(bare)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"SEPM_PYTHON={bare} cannot be used: it lacks accelerate, " in done.stderr
    assert "unset it: then .venv is made and used" in done.stderr


def test_a_python_that_is_too_old_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(usable_python.sys, "version_info", (3, 9, 2))
    assert usable_python.main([]) == 2
    assert "it is Python 3.9.2; SEPM needs 3.11 or newer" in capsys.readouterr().err


def test_an_extra_is_looked_for_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = ROOT / "pyproject.toml"
    without_ruff = project.read_text(encoding="utf-8").replace('"ruff>=', '"no-such-tool>=')
    monkeypatch.setattr(usable_python.Path, "read_text", lambda *_, **__: without_ruff)
    assert usable_python.main([]) == 0
    assert usable_python.main(["dev"]) == 2
    assert "it lacks no-such-tool" in capsys.readouterr().err


def test_the_quickstart_keeps_the_rows_that_are_there_unless_told_otherwise(outcome_of) -> None:
    for options in ((), ("--overwrite",)):
        outcome = outcome_of("quickstart.sh", *options)
        assert outcome.status == 0
        assert [words[2] for words in outcome.commands] == ["predict", "eval", "report"]
        assert outcome.commands[1][-1:] == [*(options or ("--save-scores",))]
        assert "results/demo has rows of them, which stay" in outcome.errors
