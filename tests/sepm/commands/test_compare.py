"""`sepm compare` on two finished runs."""

import json
from typing import Any

import pytest

from sepm.cli import main


def test_two_runs_are_compared_from_their_folders(
    finished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(finished[name].folder) for name in ("zero-shot", "sepm")]
    assert main(["compare", *folders, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, second = (finished[name].records() for name in ("zero-shot", "sepm"))
    flipped = {key for key in first if first[key]["prediction"] != second[key]["prediction"]}
    assert {flip["question_id"] for flip in found["flips"]["samples"]} == flipped
    gained = sum(second[k]["correct"] and not first[k]["correct"] for k in first)
    assert found["accuracy"]["gained"] == gained
    assert found["differences"]["settings"] == {"method": ["zero-shot", "sepm"]}
    assert sum(row["n"] for row in found["per_class"].values()) == 24


def test_differences_are_said_before_the_numbers(
    finished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *(str(finished[n].folder) for n in ("zero-shot", "sepm"))]) == 0
    text = capsys.readouterr().out
    assert text.index("method: A 'zero-shot', B 'sepm'") < text.index("B - A  ")
    assert text.index("B - A  ") < text.index("How to read it:")


def test_a_folder_without_a_run_is_status_2(
    finished: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(finished["sepm"].folder), str(tmp_path)]) == 2
    assert f"{tmp_path} holds no run" in capsys.readouterr().err
