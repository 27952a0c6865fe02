"""Two runs written by hand: one stage and two, with an unread answer, a tie and an error."""

import os
from pathlib import Path
from typing import Any

import pytest

from sepm.analysis.stored_run import StoredRun, read_run
from tests.sepm.hand_made import row
from tests.sepm.report.conftest import write_run  # noqa: F401 - a fixture

WRITTEN = 1_764_230_400  # 2025-11-27 08:00:00 UTC
FAILED = {
    **{"question_id": "awe/lost.png", "image": "awe/lost.png", "label": "awe"},
    **{"prediction": None, "correct": False, "status": "error", "error": "truncated"},
}
TIED = {**row("fear", 0, "anger"), "labels": ["fear", "anger"], "correct": True}


def _read(folder: Path) -> StoredRun:
    os.utime(folder / "accuracy.json", (WRITTEN, WRITTEN))
    return read_run(folder)


@pytest.fixture(scope="session")
def zero_shot(tmp_path_factory: pytest.TempPathFactory, write_run: Any) -> StoredRun:  # noqa: F811
    """Rows of one stage: right, failed, wrong, unread, right by its second label."""
    rows = [row("awe", 1, "awe"), FAILED, row("awe", 2, "fear"), row("anger", 3, None), TIED]
    return _read(write_run(tmp_path_factory.mktemp("one"), "zero-shot", rows))


@pytest.fixture(scope="session")
def sepm(tmp_path_factory: pytest.TempPathFactory, write_run: Any) -> StoredRun:  # noqa: F811
    """Rows of two stages: a right one after a clear answer, a wrong one after an ambiguous one."""
    rows = [row("awe", 1, "awe", 0.95), row("fear", 2, "awe", 0.6)]
    return _read(write_run(tmp_path_factory.mktemp("two"), "sepm", rows))
