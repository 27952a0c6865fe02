"""`sepm` command lines, each in a fork of one process that has imported torch once.

Reads lists of runs from standard input, a line of JSON each, and answers each with the list of
their exit statuses (-9: killed by SIGKILL). Of each run:

- `arguments`: the command line.
- `log`: file that its standard output and error go to.
- `processes`: how many processes run it together, under the agent that `accelerate launch` starts
  several with; without it one, under nothing.
- `at_row`, `signal`: the signal it sends itself when it has written so many rows; of several
  processes the one of that `rank` alone.
- `file_size`: the largest file that it may write, in bytes, as on a full disk.
"""

import json
import os
import resource
import signal
import sys
from typing import Any

import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import sepm.evaluation.assignment
import sepm.evaluation.evaluate
from sepm.cli import main
from sepm.records.writing import Record, RecordFile

SECONDS = 300
"""After which a process counts as one that hangs, and is ended."""


def signal_at_row(at_row: int, number: int) -> None:
    """Let this process send itself a signal when it has written so many rows."""
    rows, append = 0, RecordFile.append

    def count(self: RecordFile, record: Record) -> None:
        nonlocal rows
        append(self, record)
        rows += 1
        if rows == at_row:
            os.kill(os.getpid(), number)

    RecordFile.append = count


def one_process(run: dict[str, Any]) -> int:
    """Exit status of a run's command, in this process."""
    signal.alarm(SECONDS)
    if "signal" in run and os.environ.get("RANK") == run.get("rank"):
        signal_at_row(run["at_row"], run["signal"])
    if "file_size" in run:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run["file_size"], run["file_size"]))
    return main(run["arguments"])


def several_processes(run: dict[str, Any]) -> int:
    """0 where all processes of a run ended with 0, else 1."""
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=run["processes"], start_method="fork",
        rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", run_id="test", max_restarts=0,
    )  # fmt: skip
    try:
        elastic_launch(config, worker)(run)
    except ChildFailedError:
        return 1
    return 0


def worker(run: dict[str, Any]) -> None:
    """One of several processes."""
    if status := one_process(run):
        sys.exit(status)


def child(run: dict[str, Any]) -> int:
    """Exit status of a run, within the fork."""
    log = os.open(run["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    return several_processes(run) if "processes" in run else one_process(run)


def status_of(run: dict[str, Any]) -> int:
    """Exit status of a run in a fork."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 70  # an exception that `main` should have caught
    try:
        status = child(run)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    for module in (sepm.evaluation.assignment, sepm.evaluation.evaluate):
        assert module.__name__ in sys.modules, "imported once, for all forks"
    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps([status_of(run) for run in json.loads(line)]), flush=True)
