"""The wall around the rooms that read records: none of them needs a model."""

import subprocess
import sys
from pathlib import Path

import pytest

import sepm


@pytest.mark.parametrize(
    ("room", "files"),
    [
        ("analysis", "[!_]*"),
        ("records", "[!_]*"),
        ("report", "[!_]*"),
        ("export", "[!_]*"),
        ("commands", "compare"),
    ],
)
def test_numbers_and_pages_are_made_without_torch(room: str, files: str) -> None:
    folder = Path(sepm.__file__).parent / room
    names = [f"sepm.{room}.{path.stem}" for path in folder.glob(f"{files}.py")]
    assert names
    program = (
        f"import sys, sepm.cli, {', '.join(names)}\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
