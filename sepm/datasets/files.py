"""Files as users have them: numbered lines, everything wrong told at once, whole writes, hashes."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sepm.errors import InputError

PROBLEMS_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of an input file."""

    path: Path
    line: int
    """From 1."""
    what: str
    """What was found and what was expected."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def raise_problems(problems: list[Problem]) -> None:
    """Raise one InputError that shows the first `PROBLEMS_SHOWN` problems and counts the rest.

    Raises:
        InputError: there is at least one problem.
    """
    if not problems:
        return
    lines = [str(problem) for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"… and {len(problems) - PROBLEMS_SHOWN} more")
    raise InputError("\n".join(lines))


def read_text(path: Path) -> str:
    """The file's text, without a byte order mark; line ends as they are.

    Raises:
        InputError: the file is absent, unreadable or not UTF-8.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from error


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Lines that are not blank with their numbers from 1, without line ends (LF or CRLF).

    Only the line feed ends a line: a JSON string may hold U+2028, at which `str.splitlines` breaks.

    Raises:
        InputError: the file is absent, unreadable or not UTF-8.
    """
    lines = enumerate(read_text(path).split("\n"), start=1)
    return [(number, line.removesuffix("\r")) for number, line in lines if line.strip()]


def write_whole(path: Path, text: str) -> None:
    """Write UTF-8 text with LF line ends so that the file is never seen half written.

    Raises:
        InputError: the folder cannot be made or the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8", newline="\n")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
