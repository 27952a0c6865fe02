"""Lines and tables of a result: Markdown in files, aligned columns in a terminal."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

ABSENT = "-"
HEADING = re.compile(r"^#+ ")


@dataclass(frozen=True)
class Grid:
    """A table of cells."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """Columns of text, which stand to the left, before those of numbers."""

    def markdown(self) -> list[str]:
        """Lines of a Markdown table whose columns stand under each other."""
        lines = [[_in_a_cell(cell) for cell in line] for line in (self.header, *self.rows)]
        widths = [max(2, *map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        for index in range(self.words, len(widths)):
            lines[1][index] = "-" * (widths[index] - 1) + ":"
        return [f"| {' | '.join(self._aligned(line, widths))} |" for line in lines]

    def _aligned(self, line: Sequence[str], widths: Sequence[int]) -> list[str]:
        return [
            cell.ljust(width) if index < self.words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]

    def columns(self, width: int) -> list[str]:
        """Lines of aligned columns, at most so wide, without columns that say nothing."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        cells = [[row[index] for row in self.rows] for index in range(len(self.header))]
        kept = [i for i, column in enumerate(cells) if i < self.words or {*column} - {ABSENT, ""}]
        for index in kept:
            justify = "left" if index < self.words else "right"
            table.add_column(Text(self.header[index]), justify=justify, overflow="fold")
        for row in self.rows:
            table.add_row(*(Text(row[index]) for index in kept))
        text = io.StringIO()
        Console(file=text, width=width, force_terminal=False).print(table)
        return [line.rstrip() for line in text.getvalue().splitlines()]


def _in_a_cell(text: str) -> str:
    """A text that stays in its cell of a Markdown table."""
    return " ".join(text.replace("|", r"\|").splitlines())


Document = Sequence[str | Grid]
"""Lines, those of headings as in Markdown, and tables."""


def as_markdown(document: Document) -> str:
    """The document as the content of a Markdown file."""
    parts = ("\n".join(part.markdown()) if isinstance(part, Grid) else part for part in document)
    return "\n".join(parts).rstrip("\n") + "\n"


def for_terminal(document: Document, width: int) -> str:
    """The document as one reads it in a terminal that is so many characters wide."""
    parts = (
        "\n".join(part.columns(width)) if isinstance(part, Grid) else HEADING.sub("", part)
        for part in document
    )
    return "\n".join(parts).rstrip("\n")
