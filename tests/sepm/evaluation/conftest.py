"""Command lines in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def run_forked() -> Iterator[Callable[[list[dict[str, Any]]], list[int]]]:
    """A function that runs command lines in processes of their own and gives exit statuses.

    They are forks of one process that lives as long as the tests; `forked_runs.py` tells what a
    run may have.
    """
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("forked_runs.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answered = process.stdin, process.stdout

        def run(runs: list[dict[str, Any]]) -> list[int]:
            print(json.dumps(runs), file=asked, flush=True)
            return json.loads(answered.readline())

        yield run
