"""Runs that were cut off, and what the same command makes of what they left."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main
from sepm.records.writing import RecordFile

BOTH_FAMILIES = True
KILLED_AT = (1, 7, 20, 45)
"""Rows on the disk, of 48 (two methods): in both windows, before and after the first is through."""


@pytest.fixture(scope="module")
def cut_off(
    scenes: Any, command: Any, run_forked: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, Path]]:
    """Exit status and output folder of runs that were killed, interrupted, or out of disk."""
    root = tmp_path_factory.mktemp("cut")
    options = ("--batch-size", 2, "--save-scores")
    causes: dict[str, dict[str, Any]] = {
        **{f"killed-{n}": {"at_row": n, "signal": signal.SIGKILL} for n in KILLED_AT},
        "interrupted": {"at_row": 9, "signal": signal.SIGINT},
        "disk-full": {"file_size": 16_000},
    }
    runs = [
        {
            "arguments": command(scenes, root / name, *options, method="zero-shot sepm"),
            "log": str(root / f"{name}.log"),
            **cause,
        }
        for name, cause in causes.items()
    ]
    statuses = run_forked(runs)
    return {name: (status, root / name) for name, status in zip(causes, statuses, strict=True)}


@pytest.fixture
def copy_of(
    cut_off: dict[str, tuple[int, Path]], tmp_path: Path
) -> Callable[[str], tuple[int, Path]]:
    """A function that gives a cut-off run's exit status and a copy of its output, to go on from."""

    def copy(name: str) -> tuple[int, Path]:
        status, folder = cut_off[name]
        shutil.copytree(folder, tmp_path / name)
        return status, tmp_path / name

    return copy


def rows_on_disk(run: Any) -> list[str]:
    """Whole lines of the predictions; none where the file was not begun."""
    if not run.predictions.exists():
        return []
    return run.predictions.read_text(encoding="utf-8").split("\n")[:-1]


def both(run_of: Any, output: Path) -> dict[str, Any]:
    return {name: run_of(output, name) for name in ("zero-shot", "sepm")}


@pytest.fixture
def go_on(scenes: Any, command: Any, run_of: Any, finished: dict) -> Callable[[Path], None]:
    """A function that runs the same command again, which must come to the undisturbed results."""

    def run(output: Path) -> None:
        options = ("--batch-size", 2, "--save-scores")
        assert main(command(scenes, output, *options, method="zero-shot sepm")) == 0
        for name, run in both(run_of, output).items():
            lines, whole = (r.predictions.read_bytes().splitlines() for r in (run, finished[name]))
            assert sorted(lines) == sorted(whole)
            ours, theirs = run.accuracy(), finished[name].accuracy()
            for measured in ("timing", "environment"):
                del ours[measured], theirs[measured]
            assert ours == theirs

    return run


@pytest.mark.parametrize("at_row", KILLED_AT)
def test_a_killed_run_leaves_whole_rows_and_no_accuracy(
    at_row: int, cut_off: dict, run_of: Any
) -> None:
    status, output = cut_off[f"killed-{at_row}"]
    assert status == -signal.SIGKILL
    runs = both(run_of, output)
    assert sum(len(rows_on_disk(run)) for run in runs.values()) == at_row
    assert not any((run.folder / "accuracy.json").exists() for run in runs.values())


@pytest.mark.parametrize("at_row", KILLED_AT)
def test_a_killed_run_goes_on_to_the_same_bytes(at_row: int, copy_of: Any, go_on: Any) -> None:
    go_on(copy_of(f"killed-{at_row}")[1])


def test_rows_that_were_there_are_not_computed_again(
    copy_of: Any, run_of: Any, scenes: Any, command: Any
) -> None:
    _, output = copy_of("killed-20")
    before = {name: rows_on_disk(run) for name, run in both(run_of, output).items()}
    assert main(command(scenes, output, "--batch-size", 2, "--save-scores")) == 0
    after = rows_on_disk(run_of(output))
    assert after[: len(before["sepm"])] == before["sepm"]
    assert run_of(output).accuracy()["timing"]["images"] == 24 - len(before["sepm"])


@pytest.mark.parametrize("torn", ['{"question_id": "aw', '{"question_id": "é'])
def test_a_torn_last_line_is_redone(torn: str, copy_of: Any, run_of: Any, go_on: Any) -> None:
    _, output = copy_of("killed-7")
    with run_of(output).predictions.open("ab") as file:
        file.write(torn.encode()[:-1])
    go_on(output)


@pytest.mark.parametrize("size", [1, 8])
def test_another_batch_size_gives_the_same_letters_and_dropped_tokens(
    size: int, copy_of: Any, run_of: Any, finished: dict, scenes: Any, command: Any
) -> None:
    _, output = copy_of("killed-20")
    assert main(command(scenes, output, "--batch-size", size, "--save-scores")) == 0
    resumed, whole = run_of(output).records(), finished["sepm"].records()
    assert resumed.keys() == whole.keys()
    for key, row in resumed.items():
        for stage in ("coarse", "fine"):
            assert row[stage]["text"] == whole[key][stage]["text"], key
        assert row["dropped"] == whole[key]["dropped"], key


def test_ctrl_c_is_status_130_keeps_the_rows_and_says_that_the_same_command_goes_on(
    copy_of: Any, cut_off: dict, run_of: Any, go_on: Any
) -> None:
    status, output = copy_of("interrupted")
    assert status == 130
    assert sum(len(rows_on_disk(run)) for run in both(run_of, output).values()) >= 9
    said = cut_off["interrupted"][1].with_suffix(".log").read_text()
    assert "interrupted; what was done is kept, and the same command goes on from there" in said
    assert "Traceback" not in said
    go_on(output)


def test_a_full_disk_is_status_1_a_plain_message_and_leaves_only_valid_rows_to_go_on_from(
    copy_of: Any, cut_off: dict, run_of: Any, go_on: Any
) -> None:
    status, output = copy_of("disk-full")
    assert status == 1
    said = cut_off["disk-full"][1].with_suffix(".log").read_text()
    assert "predictions.jsonl: cannot be written: File too large" in said
    assert "make room, and the same command goes on from there" in said
    assert "Traceback" not in said
    for run in both(run_of, output).values():
        lines = rows_on_disk(run)
        assert lines
        assert all(map(json.loads, lines))
    go_on(output)


def test_rows_that_have_gone_before_they_are_summed_up_are_status_1_and_made_again(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = RecordFile.__exit__

    def lose_a_row(self: RecordFile, *raised: Any) -> None:
        close(self, *raised)
        self.path.write_bytes(b"".join(self.path.read_bytes().splitlines(keepends=True)[1:]))

    with monkeypatch.context() as patch:
        patch.setattr(RecordFile, "__exit__", lose_a_row)
        said = evaluate("--limit", 3, status=1).err
    assert "1 of 3 rows are not to be seen" in said
    evaluate("--limit", 3)
    assert len(evaluate.run().records()) == 3


# ---- what is said is lost


def broken_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


NO_FULL_DISK = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.mark.parametrize("opened", [broken_pipe, pytest.param(full_disk, marks=NO_FULL_DISK)])
def test_a_run_outlives_its_log(
    opened: Callable[[], int], evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with os.fdopen(opened(), "w", buffering=1) as log:
        monkeypatch.setattr(sys, "stderr", log)
        evaluate("--limit", 3)
        log.write("and it can be closed")
    assert len(evaluate.run().records()) == 3
    assert evaluate.run().accuracy()["n"] == 3
