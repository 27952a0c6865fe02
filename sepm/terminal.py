"""Text for the terminal, which can do nothing but be read, in whatever encoding it has.

File names, class names and model answers come from elsewhere. In files they stay as they are.
"""

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from sepm.documents import Document, for_terminal

# Control characters but the tab and the line feed; line separators; marks that turn the direction.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]"
)

WIDE = 1000
_NUMBERS = re.compile(r"\[\n([^][{}\"]*)\]")
"""A list of numbers as `json.dumps` indents it; no string holds a line break there."""


def printable(text: str) -> str:
    r"""A text with control and bidirectional characters written out: "a\x1b[2Jb"."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def show(document: str | Document) -> None:
    """Print a text, or a document in columns, on standard output.

    Its tables fit a terminal's width; where there is none they are as wide as they are.
    """
    if not isinstance(document, str):
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
        document = for_terminal(document, width)
    print(printable(document.removesuffix("\n")))


def show_json(content: object) -> None:
    """Print a value as JSON, a list of numbers on one line.

    It is in ASCII alone, so that it reads back the same from any encoding.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
    """
    text = json.dumps(content, indent=1, allow_nan=False).replace("\x7f", r"\u007f")
    print(_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text))


def show_result(content: object, document: str | Document, *, as_json: bool) -> None:
    """Print a result as JSON where that was asked for, else as one reads it."""
    if as_json:
        show_json(content)
    else:
        show(document)


def complain(text: str) -> None:
    """Print a text on standard error."""
    print(printable(text), file=sys.stderr)


def bear_any_encoding() -> None:
    r"""Let both streams write out what their encoding lacks ("\u03b1"), instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def open_closed_streams() -> None:
    """Lead a stream that was closed before the start, for which Python has None, to nowhere.

    No other file gets its descriptor then, so that what libraries print there comes into none.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def outlive_standard_error() -> None:
    """Let standard error fall silent, instead of failing, once it can take no more."""
    if not isinstance(sys.stderr, _Expendable):
        sys.stderr = cast("TextIO", _Expendable(sys.stderr))


class _Expendable:
    """A stream of notes and progress, which may be lost while the work goes on.

    A log on a full disk, or a pipe whose reader has gone, must neither end a run of hours nor pass
    for the end of one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._losses_borne():
            return self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        with self._losses_borne():
            self._stream.writelines(lines)

    def flush(self) -> None:
        with self._losses_borne():
            self._stream.flush()

    @contextmanager
    def _losses_borne(self) -> Iterator[None]:
        """Within it, what cannot be written is lost; a reader that is only slow gets the rest."""
        try:
            yield
        except BlockingIOError:
            pass
        except OSError:
            self._fall_silent()

    def _fall_silent(self) -> None:
        """Lead the stream, and what it still holds, to nowhere."""
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
