"""`sepm export` as its user meets it."""

from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["lmms-eval"], ["_results.json", "_samples_emoset_sepm.jsonl"]),
        (["every-eval-ever", "--developer", "me"], [".json", "_samples.jsonl"]),
    ],
)
def test_the_files_of_a_computed_run_are_written_and_named(
    finished: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    names: list[str],
) -> None:
    line = ["export", str(finished["sepm"].folder), "--output", str(tmp_path), "--format", *options]
    assert main(line) == 0
    shown = capsys.readouterr().out.splitlines()
    assert all(path.endswith(name) for path, name in zip(shown, names, strict=True))
    assert len(Path(shown[1]).read_text(encoding="utf-8").splitlines()) == 24


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing to do: give --format, --push or both"),
        (["--format", "every-eval-ever"], "needs --developer"),
    ],
)
def test_what_is_wrong_is_status_2(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "absent"), *options]) == 2
    assert said in capsys.readouterr().err


def test_push_sends_the_runs_and_writes_nothing(
    finished: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sent: list[Any] = []

    def push(runs: Any, repository: str, *, public: bool) -> str:
        sent.append(([run.name for run in runs], repository, public))
        return "address"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sepm.export.hub.push_runs", push)
    assert main(["export", str(finished["sepm"].folder), "--push", "me/results"]) == 0
    assert sent == [(["sepm"], "me/results", False)]
    assert capsys.readouterr().out == "address\n"
    assert list(tmp_path.iterdir()) == []
