"""`sepm` command lines, each in a fork of one process that has imported torch once.

Reads a JSON list of runs from standard input and writes a list of their exit statuses (-9: killed
by SIGKILL). Of each run:

- `arguments`: the command line.
- `log`: file that its standard error goes to.
- `at_row`, `signal`: the signal it sends itself when it has written so many rows.
- `file_size`: the largest file that it may write, in bytes, as on a full disk.
"""

import json
import os
import resource
import sys
from typing import Any

import torch

import sepm.evaluation.evaluate
from sepm.cli import main
from sepm.records.writing import Record, RecordFile


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


def child(run: dict[str, Any]) -> int:
    """Exit status of a run, within the fork."""
    log = os.open(run["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    if "signal" in run:
        signal_at_row(run["at_row"], run["signal"])
    if "file_size" in run:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run["file_size"], run["file_size"]))
    return main(run["arguments"])


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
    assert sepm.evaluation.evaluate.__name__ in sys.modules, "imported once, for all forks"
    torch.set_num_threads(1)
    print(json.dumps([status_of(run) for run in json.load(sys.stdin)]))
