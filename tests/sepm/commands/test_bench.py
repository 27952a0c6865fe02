import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sepm.bench import run
from sepm.bench.measure import Outcomes
from sepm.bench.sameness import compare_all
from sepm.cli import main


def command(output: Path, *options: str) -> list[str]:
    return [
        *("bench", "--shape", "demo", "--images", "3", "--repeats", "1", "--batch-sizes", "2"),
        *("--device", "cpu", "--threads", "1", "--output", str(output), *options),
    ]


def test_the_table_is_printed_and_the_json_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "reference_apart", run._reference)  # here, which has all imported
    output = tmp_path / "deep" / "bench.json"
    assert main(command(output, "--only", "reference", "batched")) == 0
    printed = capsys.readouterr()
    assert "reference script / sepm, batch 2" in printed.out
    assert printed.out.rstrip().endswith(str(output))
    assert "1 of 1: sepm, batch 2" in printed.err
    result = json.loads(output.read_text())
    assert list(result["variants"]) == ["reference", "batch-2"]
    assert result["settings"]["only"] == ["reference", "batched"]
    assert result["model"]["visual_tokens"] == 64


def test_json_prints_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bench.json"
    assert main(command(output, "--only", "single", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(output.read_text())


def with_another_letter(outcomes: dict[str, Outcomes]) -> dict[str, Any]:
    """The comparison, had one variant answered the first question otherwise."""
    key, right = next(iter(outcomes["batch-2"].items()))
    wrong = replace(right, reply=replace(right.reply, letter="Z"))
    return compare_all({**outcomes, "batch-2": {**outcomes["batch-2"], key: wrong}})


def test_a_letter_that_differs_is_status_1_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "compare_all", with_another_letter)
    output = tmp_path / "bench.json"
    assert main(command(output, "--only", "single", "batched")) == 1
    printed = capsys.readouterr()
    assert "batch-2 gave other letters than batch-1 for 1 of 3 answers" in printed.err
    assert "Z in batch-2" in printed.out
    assert json.loads(output.read_text())["sameness"]["pairs"][0]["letters"] == 1


def test_a_wrong_option_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bench.json"
    assert main([*command(output), "--shape", "dema"]) == 2
    assert "unknown shape 'dema'; did you mean 'demo'?" in capsys.readouterr().err
    assert not output.exists()
