"""A run's output folder: its lock, the rows that it already holds, and its beginning."""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, SoftFileLock, Timeout

from sepm.datasets.files import write_whole
from sepm.datasets.question_file import Question
from sepm.errors import InputError
from sepm.evaluation.released_format import RELEASED_FILES
from sepm.method.taxonomy import Taxonomy
from sepm.records.folder import (
    ACCURACY,
    IDENTITY,
    PREDICTIONS,
    as_json,
    read_json,
    row_files,
    shards,
)
from sepm.records.reading import read_records
from sepm.records.writing import Record, as_line

TOKEN = ".token"
"""Says while a run goes on, to processes on other machines, that they see its folder."""

NOT_COMPARED = ("revision", "software", "machines")
"""Parts of an identity that are recorded and make no other run: files are known by their content,
and another version of this software or another kind of device is told."""

AFRESH = "Start afresh with --overwrite, or choose another --output-dir"

OPTIONS = {
    "model": "--model-path",
    "checkpoint": "--model-path",
    "model_files": "--model-path",
    "attention_layer": "--model-path",
    "taxonomy": "--dataset",
}
"""Options behind parts of an identity; others are called as the part is."""

SHOWN_CHARACTERS = 40
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What a disk answers that keeps no locks, as some network disks do."""
NO_FALLBACK: dict[str, Any] = {
    name: False for name in signature(FileLock).parameters if name == "fallback_to_soft"
}
"""Asks for locks of the system alone, in a release of filelock that can be asked."""


@contextmanager
def locked(folder: Path, process: int = 0) -> Iterator[None]:
    """The folder, made and held by this process alone; a helper holds its own shard in it.

    Args:
        process: index of the process; 0 is the one that runs the command.

    Raises:
        InputError: another run holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = _acquired(folder / (f".lock-{process}" if process else ".lock"))
    except Timeout as error:
        raise InputError(
            f"{folder} is being written by another run; wait for it or choose another --output-dir"
        ) from error
    except (OSError, NotImplementedError) as error:  # the second: there is no flock at all
        if isinstance(error, NotImplementedError) or error.errno in NO_LOCKS:
            raise InputError(
                f"{folder} lies on a disk without file locks, which keep two runs from writing one "
                f"output ({error}); choose an --output-dir on another disk"
            ) from error
        raise InputError(
            f"{folder}: cannot be written: {error.strerror}; choose another --output-dir"
        ) from error
    with held:
        yield


def _acquired(path: Path) -> AcquireReturnProxy:
    """The lock of a file, which the system lets go of however this process ends.

    Where a disk has none (Lustre is often mounted so), newer releases of filelock take the file's
    mere existence for it, which a killed run leaves behind for ever.

    Raises:
        OSError: the file cannot be made, or its disk has no locks.
        Timeout: another process holds it.
    """
    lock = FileLock(path, timeout=0, **NO_FALLBACK)
    try:
        return lock.acquire()
    finally:
        if isinstance(lock, SoftFileLock):
            lock.release(force=True)
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def free_shards(folder: Path) -> list[Path]:
    """The shards that processes of an earlier run have left.

    Raises:
        InputError: one is still being written: the run's first process has ended, on another
            machine perhaps, and this one has not.
    """
    found = shards(folder)
    for process in found:
        with locked(folder, process):
            pass
    return list(found.values())


def merge_shards(folder: Path, order: Iterable[str]) -> None:
    """Put the shards' rows among the others, by question in that order, and remove the shards.

    Raises:
        InputError: the rows contradict each other, lack some, or cannot be written; the shards are
            then still there.
    """
    if not (found := shards(folder)):
        return
    records = read_records(row_files(folder), taxonomy=None)
    write_whole(folder / PREDICTIONS, "".join(map(as_line, in_order(records, order))))
    _remove(found.values())


def in_order(records: dict[str, Record], order: Iterable[str]) -> list[Record]:
    """The records of those questions, in that order.

    Raises:
        InputError: some are not there, though all were written.
    """
    wanted = list(order)
    if absent := [key for key in wanted if key not in records]:
        raise InputError(
            f"{len(absent)} of {len(wanted)} rows are not to be seen, the first of {absent[0]}: "
            "a file was removed, or a shared disk shows that of another machine late"
        )
    return [records[key] for key in wanted]


def finished_records(
    folder: Path, identity: dict[str, Any], taxonomy: Taxonomy, questions: Iterable[Question]
) -> dict[str, Record]:
    """The records of an earlier run with the same identity, by question id; nothing is changed.

    A torn last line and rows with errors are left out, to be computed again. A run that kept scores
    serves one that is to keep none. The questions are all of the question file.

    Raises:
        InputError: the folder holds a run with another configuration (the differences are named),
            or rows that cannot be believed.
    """
    files = row_files(folder)
    if not files:
        return {}
    stored = read_json(folder / IDENTITY)
    if not stored:
        raise InputError(f"{folder} holds predictions of an unknown run: no {IDENTITY}. {AFRESH}")
    wanted: dict[str, Any] = json.loads(as_json(carried_on(stored, identity)))  # tuples are lists
    there, now = (
        {key: value for key, value in facts.items() if key not in NOT_COMPARED}
        for facts in (stored, wanted)
    )
    if differences := list(_differences(there, now)):
        told = "; ".join(
            f"{'.'.join(parts)} is {_shown(before)} there, {_shown(wish)} now"
            for parts, before, wish in differences
        )
        options = dict.fromkeys(option for parts, *_ in differences for option in _options(parts))
        raise InputError(
            f"{folder} holds a run with another configuration: {told}. {ways_out(options)}"
        )
    run = {**wanted, "visual_tokens": read_json(folder / ACCURACY).get("visual_tokens")}
    try:
        records = read_records(files, taxonomy, questions, run)
    except InputError as error:
        raise InputError(f"{error}\nRepair the rows or start afresh with --overwrite") from error
    return {key: record for key, record in records.items() if record["status"] != "error"}


def carried_on(stored: dict[str, Any], identity: dict[str, Any]) -> dict[str, Any]:
    """The identity with which a stored run goes on: rows keep scores where those there do."""
    configuration = stored.get("configuration")
    if not isinstance(configuration, dict) or configuration.get("save_scores") is not True:
        return identity
    return {**identity, "configuration": {**identity["configuration"], "save_scores": True}}


def begin(folder: Path, identity: dict[str, Any], kept: Iterable[Record]) -> None:
    """Let the folder hold the records that are kept and nothing else of an earlier run's rows.

    Raises:
        InputError: it cannot be written.
    """
    lines = [as_line(record) for record in kept]
    if not lines:
        _remove(folder / name for name in (PREDICTIONS, ACCURACY, *RELEASED_FILES))
        _remove(shards(folder).values())  # before they are taken for those of the new identity
    write_whole(folder / IDENTITY, as_json(identity))
    write_whole(folder / PREDICTIONS, "".join(lines))
    _remove(shards(folder).values())  # whose rows are among those that are kept


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{path}: cannot be removed: {error.strerror}") from error


def ways_out(options: Iterable[str]) -> str:
    """Advice where a folder holds rows of something else, which those options name, if any do."""
    mend = f"If that is a mistake, mend {named}. Else " if (named := ", ".join(options)) else ""
    choose = "choose" if mend else "Choose"
    return f"{mend}{choose} another --output-dir, or start afresh with --overwrite"


def _differences(
    stored: dict[str, Any], wanted: dict[str, Any], within: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Differences between two identities: names down to the part, and its two values."""
    for key in [*wanted, *(key for key in stored if key not in wanted)]:
        there, now = stored.get(key), wanted.get(key)
        if isinstance(there, dict) and isinstance(now, dict):
            yield from _differences(there, now, (*within, key))
        elif there != now:
            yield (*within, key), there, now


def _options(parts: Sequence[str]) -> list[str]:
    """The option that decides a part of an identity, such as `configuration`, `alpha`; if any."""
    if parts in (("configuration",), ("sha256",)):
        return []
    if parts == ("sha256", "conversation"):  # the template's content: --conversation has its name
        return ["--model-path"]
    name = parts[1] if len(parts) > 1 else parts[0]
    return [OPTIONS.get(name, f"--{name.replace('_', '-')}")]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
