"""A run's output folder: its name, its lock, what it is a run of, what it already holds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sepm.datasets.files import write_whole
from sepm.errors import InputError
from sepm.evaluation.records import Record, keep_finished
from sepm.method.config import MethodConfig
from sepm.method.presets import DEFAULT_PRESET, PRESETS

PREDICTIONS = "predictions.jsonl"
ACCURACY = "accuracy.json"
IDENTITY = "run.json"
"""What the folder's rows depend on, written before the first of them."""

NAMED_SETTINGS = {"drop": "drop-{}", "alpha": "alpha{:g}", "beta": "beta{:g}", "seed": "seed{}"}
"""Settings that stand in the folder's name where they differ from the preset's."""


@dataclass(frozen=True)
class MethodRun:
    """One method with its settings: what one output folder is a run of."""

    method: str
    config: MethodConfig
    preset: str = DEFAULT_PRESET

    @property
    def folder_name(self) -> str:
        """`<method>[-…]`, naming what differs from the defaults."""
        chosen = PRESETS[self.preset]
        parts = [self.method] if self.preset == DEFAULT_PRESET else [self.method, self.preset]
        parts += [
            template.format(getattr(self.config, name))
            for name, template in NAMED_SETTINGS.items()
            if getattr(self.config, name) != getattr(chosen, name)
        ]
        return "-".join(parts)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder, made and held by this process alone.

    Raises:
        InputError: another run holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"{folder} is being written by another run; wait for it or choose another --output-dir"
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def prepare(folder: Path, identity: dict[str, Any], *, overwrite: bool) -> dict[str, Record]:
    """The finished records of an earlier run with the same identity, by question id.

    Raises:
        InputError: the folder holds a run with another configuration; the differences are named.
    """
    predictions = folder / PREDICTIONS
    if overwrite:
        for name in (PREDICTIONS, ACCURACY, IDENTITY):
            (folder / name).unlink(missing_ok=True)
    elif predictions.exists():
        stored = _read_json(folder / IDENTITY)
        differences = _differences(stored, identity)
        if differences:
            raise InputError(
                f"{folder} holds a run with another configuration: {'; '.join(differences)}. "
                "Start afresh with --overwrite, or choose another --output-dir"
            )
    write_whole(folder / IDENTITY, json.dumps(identity, ensure_ascii=False, indent=1) + "\n")
    try:
        return keep_finished(predictions)
    except ValueError as error:
        raise InputError(f"{error}; repair the line or start afresh with --overwrite") from error


def earlier_accuracy(folder: Path) -> dict[str, Any]:
    """What the folder's `accuracy.json` says, or nothing."""
    return _read_json(folder / ACCURACY)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def _differences(stored: dict[str, Any], wanted: dict[str, Any], name: str = "") -> list[str]:
    """What differs, each as `name: there, now`."""
    found: list[str] = []
    for key in [*wanted, *(key for key in stored if key not in wanted)]:
        there, now = stored.get(key), wanted.get(key)
        label = f"{name}{key}"
        if isinstance(there, dict) and isinstance(now, dict):
            found += _differences(there, now, f"{label}.")
        elif there != now:
            found.append(f"{label} is {there!r} there, {now!r} now")
    return found
