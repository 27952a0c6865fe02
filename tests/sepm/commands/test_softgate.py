"""`sepm softgate` on two finished runs."""

import json
from typing import Any

import pytest

from sepm.cli import main


def test_two_finished_runs_are_rescored(finished: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(finished[name].folder) for name in ("sepm", "zero-shot")]
    assert main(["softgate", *folders, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == {"coarse": folders[0], "full": folders[1]}
    hard = finished["sepm"].accuracy()
    assert found["rows"]["hard gate"]["correct"] == hard["correct"]
    assert found["rows"]["hard gate"]["final"] == pytest.approx(hard["final"])
    coarse, full = (finished[name].records() for name in ("sepm", "zero-shot"))
    right = 0
    for key, row in full.items():
        p = coarse[key]["coarse"]
        weights = dict.fromkeys("ACDF", p["p_a"]) | dict.fromkeys("BEGH", p["p_b"])
        s = {letter: weights[letter] * q for letter, q in row["fine"]["probs"].items()}
        right += (
            finished["sepm"].accuracy()["taxonomy"]["classes"][
                "ABCDEFGH".index(max(s, key=s.__getitem__))
            ]["name"]
            == row["label"]
        )
    assert found["rows"]["soft gate"]["correct"] == right
    assert main(["softgate", *folders]) == 0
    assert "soft gate minus the others" in capsys.readouterr().out


def test_a_run_without_a_coarse_stage_is_status_2(
    finished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(finished["zero-shot"].folder)
    assert main(["softgate", folder, folder]) == 2
    assert "has no coarse stage" in capsys.readouterr().err
