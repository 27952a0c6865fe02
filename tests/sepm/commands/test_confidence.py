"""`sepm confidence` on finished runs."""

import json
from typing import Any

import pytest

from sepm.cli import main


def test_runs_stand_beside_each_other_with_the_numbers_of_accuracy_json(
    finished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(finished[name].folder) for name in ("zero-shot", "sepm")]
    assert main(["confidence", *folders, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in found] == folders
    for run, name in zip(found, ("zero-shot", "sepm"), strict=True):
        accuracy = finished[name].accuracy()
        assert run["final"] == pytest.approx(accuracy["final"])
    assert found[1]["of_coarse"]["coarse: variance (Eq. 4)"]["auroc"] == pytest.approx(
        finished["sepm"].accuracy()["coarse"]["confidence"]["auroc_coarse"]
    )
    assert main(["confidence", *folders]) == 0
    assert f"{found[0]['final']['brier']:.4f}" in capsys.readouterr().out


def test_a_folder_without_a_run_is_status_2(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["confidence", str(tmp_path)]) == 2
    assert "holds no finished run" in capsys.readouterr().err
