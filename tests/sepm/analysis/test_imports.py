"""The wall around the rooms that read records: none of them needs a model."""

import subprocess
import sys
from pathlib import Path

import pytest

import sepm


@pytest.mark.parametrize("room", ["analysis", "records", "report"])
def test_numbers_and_pages_are_made_without_torch(room: str) -> None:
    folder = Path(sepm.__file__).parent / room
    names = [f"sepm.{room}.{path.stem}" for path in folder.glob("[!_]*.py")]
    assert names
    program = f"import sys, {', '.join(names)}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
