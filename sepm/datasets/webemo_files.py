"""WebEmo's own files: the lists of addresses and labels, and the table of its classes."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sepm.datasets.files import FirstLines, numbered_lines, read_rows, read_text
from sepm.datasets.tasks import class_table
from sepm.errors import InputError

SIGNS = {"positive": "+", "negative": "-"}

Triple = tuple[str, str, str]
"""Fine class, middle class, sign; the position in the table is the label in the lists."""


@dataclass(frozen=True)
class ListRow:
    """One row of a list; rows are told apart by label and file together."""

    line: int
    label: int
    file: str


def bundled_triples() -> list[Triple]:
    """The table of `category.txt`, as bundled in the taxonomy of 25 classes."""
    rows = class_table("webemo25")
    return [(row["name"], row["parent"], SIGNS[row["polarity"]]) for row in rows]


def read_list(path: Path, n_classes: int) -> list[ListRow]:
    """The rows `<address> <label>` of a list; the file is the last part of the address.

    Raises:
        InputError: the file is absent or empty, or a row is wrong or stands twice.
    """
    seen = FirstLines()

    def list_row(line: int, text: str) -> ListRow:
        address, _, number = text.strip().rpartition(" ")
        file = address.strip().rpartition("/")[2]
        if not file or re.search(r"\s", address) or not re.fullmatch(r"[0-9]+", number):
            raise ValueError(f"'{text:.80}'; expected <address> <label> with one blank")
        label = int(number)
        if label >= n_classes:
            raise ValueError(f"label {label}; expected 0 to {n_classes - 1}")
        seen.require_new((label, file), line, f"'{file}' with label {label}")
        return ListRow(line, label, file)

    rows = read_rows(path, numbered_lines(path), list_row)
    if not rows:
        raise InputError(f"{path}: empty; expected a row <address> <label> for each image")
    return rows


def check_category_file(path: Path, triples: list[Triple]) -> None:
    """Raise unless `category.txt` gives every label the meaning that the triples give it.

    The file is Python: a comment and `labels=[(fine, middle, sign), …]`. It is read as a literal
    and never run.

    Raises:
        InputError: it is no such literal or says something else.
    """
    text = read_text(path)
    start = re.search(r"^[ \t]*labels[ \t]*=", text, re.MULTILINE)
    if start is None:
        raise InputError(f"{path}: no line begins 'labels='; expected a list of triples there")
    line = text.count("\n", 0, start.end()) + 1
    try:
        found: Any = ast.literal_eval(text[start.end() :].strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise InputError(f"{path}:{line}: not a literal list of triples ({error})") from error
    table = cast("list[Any]", found) if isinstance(found, list) else []
    if len(table) != len(triples):
        raise InputError(f"{path}:{line}: expected a list of {len(triples)} triples")
    for label, (theirs, ours) in enumerate(zip(table, triples, strict=True)):
        if theirs != ours:
            raise InputError(f"{path}:{line}: label {label} is {theirs!r}; expected {ours!r}")
