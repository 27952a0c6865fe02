"""The same command under `accelerate launch`: gloo processes on the CPU, some of them killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from sepm.cli import main
from sepm.evaluation import run_folder

LAUNCH = (
    "--multi_gpu --mixed_precision no --dynamo_backend no --num_machines 1 --main_process_port 0"
)
"""Options of accelerate's launcher; `--multi_gpu` is its word for several processes."""
SECONDS = 300
"""After which a launch counts as one that hangs."""


@dataclass(frozen=True)
class Launch:
    """What came of a launched command."""

    status: int
    printed: str
    errors: str


@pytest.fixture(scope="module")
def launch() -> Callable[..., Launch]:
    """A function that runs a `sepm` command line under `accelerate launch` in some processes."""

    def run(arguments: list[str], processes: int) -> Launch:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "accelerate.commands.launch", *LAUNCH.split()),
                *("--num_processes", str(processes), "-m", "sepm", *arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            cwd=Path(__file__).parents[3],
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": str(Path(__file__).parents[3]),
            },
        )
        return Launch(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="module")
def fork(
    run_forked: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[int, str]]:
    """A function that runs a `sepm` command line in some forks under the same agent.

    It gives the exit status and what was said. `killed` is the rank of a process that dies by
    SIGKILL, and at which of its rows.
    """

    def run(
        arguments: list[str], processes: int, killed: tuple[int, int] | None = None
    ) -> tuple[int, str]:
        log = tmp_path_factory.mktemp("log") / "log"
        asked: dict[str, Any] = {"arguments": arguments, "processes": processes, "log": str(log)}
        if killed is not None:
            rank, row = killed
            asked |= {"rank": str(rank), "at_row": row, "signal": signal.SIGKILL}
        (status,) = run_forked([asked])
        return status, log.read_text()

    return run


OPTIONS = ("--batch-size", 1, "--save-scores")
"""24 images are then three windows, one for each of three processes."""


@pytest.fixture(scope="module")
def arguments(scenes: Any, command: Any) -> Callable[[Path], list[str]]:
    """A function that makes the command line of all runs, given their output folder."""
    return lambda output: command(scenes, output, *OPTIONS, method="zero-shot sepm")


@pytest.fixture(scope="module")
def plain(arguments: Any, run_of: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The runs of both methods without a launcher."""
    output = tmp_path_factory.mktemp("plain")
    assert main(arguments(output)) == 0
    return both(run_of, output)


@pytest.fixture(scope="module")
def helper_killed(
    fork: Any, arguments: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path]:
    """Three processes, the second of which was killed at its twelfth row of 16: status, folder."""
    output = tmp_path_factory.mktemp("killed")
    status, _ = fork(arguments(output), 3, killed=(1, 12))
    return status, output


@pytest.fixture
def left_behind(helper_killed: tuple[int, Path], tmp_path: Path) -> Path:
    """A copy of what the killed run left, to go on from."""
    return shutil.copytree(helper_killed[1], tmp_path / "output")


def both(run_of: Any, output: Path) -> dict[str, Any]:
    return {name: run_of(output, name) for name in ("zero-shot", "sepm")}


def rows_on_disk(folder: Path) -> list[bytes]:
    """Whole lines of all processes' files."""
    files = folder.glob("predictions*.jsonl")
    return [line for file in files for line in file.read_bytes().split(b"\n")[:-1]]


def ids_on_disk(folder: Path) -> set[str]:
    return {json.loads(line)["question_id"] for line in rows_on_disk(folder)}


def assert_same_runs(run_of: Any, output: Path, plain: dict[str, Any]) -> None:
    """The rows of the plain run to the bit, none twice, and nothing left beside them."""
    for name, run in both(run_of, output).items():
        assert sorted(rows_on_disk(run.folder)) == sorted(rows_on_disk(plain[name].folder))
        assert {path.name for path in run.folder.glob("*") if path.name[0] != "."} == {
            path.name for path in plain[name].folder.glob("*") if path.name[0] != "."
        }
        ours, theirs = run.accuracy(), plain[name].accuracy()
        for measured in ("timing", "environment"):
            del ours[measured], theirs[measured]
        assert ours == theirs


# ---- undisturbed


def test_processes_give_the_rows_of_a_plain_run_and_speak_with_one_voice(
    launch: Any, arguments: Any, run_of: Any, plain: dict, tmp_path: Path
) -> None:
    done = launch(arguments(tmp_path), 3)
    assert done.status == 0
    assert_same_runs(run_of, tmp_path, plain)
    timing = run_of(tmp_path).accuracy()["timing"]
    assert (timing["processes"], timing["images"], timing["batch_size"]) == (3, 24, 1)
    assert done.printed.count("95% interval") == 1
    assert done.errors.count("100%") == 1


def test_a_launcher_may_start_one_process_only(
    fork: Any, arguments: Any, run_of: Any, plain: dict, tmp_path: Path
) -> None:
    status, said = fork(arguments(tmp_path), 1)
    assert status == 0
    assert_same_runs(run_of, tmp_path, plain)
    timing = run_of(tmp_path).accuracy()["timing"]
    assert (timing["processes"], timing["images"], timing["batch_size"]) == (1, 24, 1)
    assert (said.count("95% interval"), said.count("100%")) == (1, 1)


def test_images_that_are_prefilled_once_give_the_same_rows_in_several_processes(
    fork: Any, arguments: Any, run_of: Any, tmp_path: Path
) -> None:
    once = "--image-pass", "once"
    assert main([*arguments(tmp_path / "plain"), *once]) == 0
    assert fork([*arguments(tmp_path / "several"), *once], 3)[0] == 0
    plain, several = (
        run_of(tmp_path / name, "sepm-image-pass-once") for name in ("plain", "several")
    )
    assert several.predictions.read_bytes() == plain.predictions.read_bytes()
    assert several.accuracy()["timing"]["processes"] == 3


# ---- a process killed


def test_a_killed_process_ends_the_others_and_all_whole_rows_stay(
    helper_killed: tuple[int, Path], run_of: Any, plain: dict
) -> None:
    status, output = helper_killed
    assert status != 0
    runs = both(run_of, output)
    shards = [run.folder / "predictions-1.jsonl" for run in runs.values()]
    assert sum(len(shard.read_bytes().splitlines()) for shard in shards) == 12
    for name, run in runs.items():
        assert len(set(rows_on_disk(run.folder))) == len(rows_on_disk(run.folder))
        assert set(rows_on_disk(run.folder)) <= set(rows_on_disk(plain[name].folder))
        assert not (run.folder / "accuracy.json").exists()


def test_another_number_of_processes_goes_on_to_the_same_rows_in_the_files_order(
    fork: Any, arguments: Any, left_behind: Path, run_of: Any, plain: dict, scenes: Any
) -> None:
    assert fork(arguments(left_behind), 2)[0] == 0
    assert_same_runs(run_of, left_behind, plain)
    in_order = [question["question_id"] for question in scenes.questions()]
    assert list(run_of(left_behind).records()) == in_order


def test_a_plain_run_takes_in_what_processes_left_behind(
    arguments: Any, left_behind: Path, run_of: Any, plain: dict
) -> None:
    runs = both(run_of, left_behind).values()
    whole = set.intersection(*(ids_on_disk(run.folder) for run in runs))
    assert whole
    assert main(arguments(left_behind)) == 0
    assert_same_runs(run_of, left_behind, plain)
    assert run_of(left_behind).accuracy()["timing"]["images"] == 24 - len(whole)


def test_a_torn_last_line_of_a_shard_is_redone(
    arguments: Any, left_behind: Path, run_of: Any, plain: dict
) -> None:
    shard = run_of(left_behind).folder / "predictions-1.jsonl"
    shard.write_bytes(shard.read_bytes()[:-20])
    assert main(arguments(left_behind)) == 0
    assert_same_runs(run_of, left_behind, plain)


def test_rows_in_two_files_are_taken_once(
    arguments: Any, left_behind: Path, run_of: Any, plain: dict
) -> None:
    folder = run_of(left_behind).folder
    with (folder / "predictions.jsonl").open("ab") as rows:  # as a crash before removing does
        rows.write((folder / "predictions-1.jsonl").read_bytes())
    assert main(arguments(left_behind)) == 0
    assert_same_runs(run_of, left_behind, plain)


def test_overwriting_does_not_take_in_what_processes_left_behind(
    arguments: Any, left_behind: Path, run_of: Any
) -> None:
    assert main([*arguments(left_behind), "--overwrite", "--limit", "1"]) == 0
    for run in both(run_of, left_behind).values():
        assert len(rows_on_disk(run.folder)) == 1


def test_a_killed_first_process_ends_the_others_and_a_plain_run_goes_on(
    fork: Any, arguments: Any, run_of: Any, plain: dict, tmp_path: Path
) -> None:
    assert fork(arguments(tmp_path), 2, killed=(0, 20))[0] != 0
    rows = [rows_on_disk(run.folder) for run in both(run_of, tmp_path).values()]
    assert sum(map(len, rows)) >= 20
    assert main(arguments(tmp_path)) == 0
    assert_same_runs(run_of, tmp_path, plain)


# ---- wrong input


def test_wrong_input_is_told_once_and_ends_all_processes(
    fork: Any, arguments: Any, tmp_path: Path
) -> None:
    status, said = fork([*arguments(tmp_path), "--device", "cuda"], 2)
    assert status != 0
    assert said.count("CUDA devices are visible") == 1
    assert not (tmp_path / "emoset").exists()


def test_a_process_whose_file_is_held_ends_all_of_them_with_its_reason(
    fork: Any, arguments: Any, run_of: Any, tmp_path: Path
) -> None:
    folder = run_of(tmp_path).folder
    with run_folder.locked(folder, 1):  # by a process that an earlier run left on another machine
        status, said = fork(arguments(tmp_path), 2)
    assert status != 0
    assert said.count(f"process 2 of 2: {folder} is being written by another run") == 1
    assert rows_on_disk(folder) == []


def test_processes_started_by_hand_end_where_the_first_fails_before_it_needs_them() -> None:
    program = (
        "import os, sys; from sepm import cli; from sepm.errors import RunError\n"
        "def run(): raise RunError('it broke')\n"
        "import sepm.commands.tasks; sepm.commands.tasks.run = run\n"
        "sys.exit(cli.main(['tasks']))"
    )
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **meeting, "RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    )
    try:
        assert "it broke" in first.communicate(timeout=SECONDS)[1]
        said = second.communicate(timeout=SECONDS)[1]
    finally:
        second.kill()
    assert "sepm, process 2 of 2: another process of this command has ended early" in said
    assert (first.returncode, second.returncode) == (1, 1)
