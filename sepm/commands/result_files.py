"""A result's files: Markdown, CSV and JSON."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sepm.analysis.plain_text import as_csv
from sepm.datasets.files import write_whole
from sepm.documents import Document, as_markdown
from sepm.progress import tell
from sepm.records.folder import as_json


def write_result(
    stem: Path, result: object, document: Document, rows: Iterable[dict[str, Any]]
) -> None:
    """Write a result as Markdown, CSV and JSON; the files' names begin alike.

    Raises:
        InputError: a file cannot be written.
    """
    contents = {
        ".md": as_markdown(document),
        ".csv": as_csv(list(rows)),
        ".json": as_json(result),
    }
    for suffix, content in contents.items():
        write_whole(stem.with_name(stem.name + suffix), content)
    tell(f"{stem}.md, .csv, .json")
