"""Files in a run's folder: their names, and the rows and JSON that are read from them."""

import json
from pathlib import Path
from typing import Any, cast

from sepm.errors import InputError

PREDICTIONS = "predictions.jsonl"
ACCURACY = "accuracy.json"
IDENTITY = "run.json"
"""What the folder's rows depend on, written before the first of them."""
REMADE = f"{ACCURACY} may be removed: sepm eval makes it anew; else start afresh with --overwrite"


def rows_name(process: int) -> str:
    """Name of the file that a process appends its rows to; all but the first's are shards."""
    return f"{Path(PREDICTIONS).stem}-{process}.jsonl" if process else PREDICTIONS


def shards(folder: Path) -> dict[int, Path]:
    """The shards in a folder by the index of the process that wrote them."""
    stem = Path(PREDICTIONS).stem
    found = {path.stem.removeprefix(f"{stem}-"): path for path in folder.glob(f"{stem}-*.jsonl")}
    return {int(name): found[name] for name in sorted(found) if name.isdigit()}


def row_files(folder: Path) -> list[Path]:
    """The files that hold a run's rows; one that a crash left in two of them stands in both."""
    return [path for path in (folder / PREDICTIONS, *shards(folder).values()) if path.exists()]


def as_json(content: object) -> str:
    """A value as one reads it in a file."""
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of a run's; nothing where there is no file.

    Raises:
        InputError: it cannot be read or holds no JSON object.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, no JSON ({error}); {REMADE}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged, no JSON object; {REMADE}")
    return cast("dict[str, Any]", content)
