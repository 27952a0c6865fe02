"""The wall around the rooms that read records: none of them needs a model."""

import subprocess
import sys
from pathlib import Path

import sepm

ROOMS = ("analysis", "records", "report", "export")


def test_numbers_and_pages_are_made_without_torch() -> None:
    folder = Path(sepm.__file__).parent
    rooms = [[path.stem for path in sorted((folder / room).glob("[!_]*.py"))] for room in ROOMS]
    assert all(rooms)
    names = [f"sepm.{r}.{name}" for r, stems in zip(ROOMS, rooms, strict=True) for name in stems]
    program = (
        "import sys\n"
        "from importlib import import_module\n"
        "for name in sys.argv[1:]:\n"
        "    import_module(name)\n"
        "    assert 'torch' not in sys.modules and 'transformers' not in sys.modules, name\n"
    )
    line = [sys.executable, "-c", program, "sepm.cli", "sepm.commands.compare", *names]
    subprocess.run(line, check=True)
