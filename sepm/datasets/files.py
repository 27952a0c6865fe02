"""Files as users have them: numbered lines, everything wrong told at once, whole writes, hashes."""

import hashlib
import os
import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

from sepm.errors import InputError

PROBLEMS_SHOWN = 20

Row = TypeVar("Row")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Problem:
    """One fault of an input file."""

    path: Path
    line: int
    """Its line, from 1."""
    what: str
    """Text: found and expected."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def raise_problems(problems: list[Problem]) -> None:
    """Raise an InputError for any problems: the first `PROBLEMS_SHOWN`, and how many more."""
    if problems:
        raise InputError(shortened([str(problem) for problem in problems]))


def read_rows(
    path: Path, rows: Iterable[tuple[int, Row]], read: Callable[[int, Row], Result]
) -> list[Result]:
    """The result of each row; what is wrong with any of them is told at once.

    Args:
        path: file of the rows.
        rows: each with its line, from 1.
        read: takes a line and its row; its ValueError says what is wrong.

    Raises:
        InputError: at least one row is wrong.
    """
    results: list[Result] = []
    problems: list[Problem] = []
    for line, row in rows:
        try:
            results.append(read(line, row))
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
    raise_problems(problems)
    return results


def require_new(first_lines: dict[Hashable, int], key: Hashable, line: int, what: str) -> None:
    """Note down the line on which a key stands first in a file.

    Raises:
        ValueError: it stood on an earlier line.
    """
    if (first := first_lines.setdefault(key, line)) != line:
        raise ValueError(f"{what} is on line {first} already")


def shortened(lines: Sequence[str]) -> str:
    """The first `PROBLEMS_SHOWN` lines as one text, and how many more there are."""
    more = len(lines) - PROBLEMS_SHOWN
    return "\n".join([*lines[:PROBLEMS_SHOWN], *([f"… and {more} more"] if more > 0 else [])])


def read_content(path: Path) -> bytes:
    """The file's bytes; a pipe gives them once.

    Raises:
        InputError: the file is absent or unreadable.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def read_text(path: Path) -> str:
    """The file's text, without a byte order mark; line ends as they are.

    Raises:
        InputError: the file is absent, unreadable or not UTF-8.
    """
    return decoded(read_content(path), path)


def decoded(content: bytes, path: Path) -> str:
    """A file's bytes as text, as `read_text` gives it.

    Raises:
        InputError: they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from error


def numbered_lines(path: Path, content: bytes | None = None) -> list[tuple[int, str]]:
    """Lines that are not blank with their numbers from 1, without line ends (LF or CRLF).

    Only the line feed ends a line: a JSON string may hold U+2028, at which `str.splitlines` breaks.

    Args:
        content: its bytes where they have been read, since a pipe gives them once.

    Raises:
        InputError: the file is absent, unreadable or not UTF-8.
    """
    text = read_text(path) if content is None else decoded(content, path)
    lines = enumerate(text.split("\n"), start=1)
    return [(number, line.removesuffix("\r")) for number, line in lines if line.strip()]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is never seen half written, and is on the disk afterwards.

    Text becomes UTF-8 with LF line ends, half surrogates (of file names that are no UTF-8) written
    out as in JSON. A link stays a link to what is written; a pipe or device is written to as it is.

    Raises:
        InputError: the folder cannot be made or the file cannot be written.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    try:
        if (stream := _standard_stream(path)) is not None:
            stream.flush()
            with open(stream.fileno(), "wb", closefd=False) as file:
                file.write(data)
        elif path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, data)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _standard_stream(path: Path) -> TextIO | None:
    """The stream that a path such as `/dev/stdout` leads to, wherever that goes; None: a file."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream may be closed, or only held in memory
            if os.path.samestat(path.stat(), os.fstat(stream.fileno())):
                return stream
    return None


def _replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another once its bytes are on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks cannot
            os.fsync(folder)
    finally:
        os.close(folder)


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
