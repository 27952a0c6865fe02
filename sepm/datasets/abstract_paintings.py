"""Abstract paintings (Machajdik & Hanbury, ACM MM 2010): flat images and a table of votes."""

from collections.abc import Hashable
from pathlib import Path

from sepm.datasets.files import numbered_lines, read_rows, require_new
from sepm.datasets.reader_parts import Reading, need, require_image
from sepm.datasets.votes import VoteRow, parse_votes, questions_by_votes
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy

TABLE = "ABSTRACT_groundTruth.csv"
TREE = f"unpack testImages_abstract.zip; its folder holds abstract_NNNN.jpg and {TABLE}"


def read_abstract(root: Path, taxonomy: Taxonomy, *, ties: str = "first") -> Reading:
    """One question a row of the vote table; `question_id` is `<label>/<file>`.

    The label is the class with the most votes. The paper's decimals fit all 280 images, so ties
    were kept there, by a rule that is not published.

    Raises:
        InputError: a file is absent or a row is wrong.
    """
    path = need(root / TABLE, TREE)
    rows = _read_table(path, taxonomy)
    questions, tied = questions_by_votes(rows, ties)
    return Reading(questions, root, inputs=(path,), counts={"images": len(rows), "ties": tied})


def _read_table(path: Path, taxonomy: Taxonomy) -> list[VoteRow]:
    """The vote table's rows, whose images are beside it.

    Header cells and file names stand in single quotes and the first header cell is empty; file
    numbers have gaps. Quotes are taken off where there are any.
    """
    lines = numbered_lines(path)
    if len(lines) < 2:
        raise InputError(f"{path}: expected a header and a row for each image")
    columns = _columns(path, *lines[0], taxonomy)
    seen: dict[Hashable, int] = {}

    def vote_row(line: int, text: str) -> VoteRow:
        image, *cells = _cells(text)
        if len(cells) != len(columns):
            raise ValueError(f"{len(cells) + 1} cells; expected {len(columns) + 1}, by commas")
        if not image or "/" in image:
            raise ValueError(f"image '{image}'; expected a file name")
        require_new(seen, image, line, f"image '{image}'")
        votes = parse_votes(cells)
        require_image(path.parent / image)
        return VoteRow(line, image, dict(zip(columns, votes, strict=True)))

    return read_rows(path, lines[1:], vote_row)


def _columns(path: Path, line: int, header: str, taxonomy: Taxonomy) -> list[str]:
    """Class names of the vote columns, in the table's order; cells show a class's option word."""
    by_word = {c.option_text.lower(): c.name for c in taxonomy.classes}
    by_word |= {c.name.lower(): c.name for c in taxonomy.classes}
    _, *cells = _cells(header)
    unknown = [cell for cell in cells if cell.lower() not in by_word]
    columns = [by_word[cell.lower()] for cell in cells if cell.lower() in by_word]
    if unknown:
        raise InputError(f"{path}:{line}: {unknown_name('class', unknown[0], by_word)}")
    if sorted(columns) != sorted(taxonomy.names):
        raise InputError(
            f"{path}:{line}: header '{header}' names {len(columns)} classes; expected an empty "
            f"cell and, separated by commas, each of {', '.join(taxonomy.names)}"
        )
    return columns


def _cells(text: str) -> list[str]:
    return [cell.strip(" \t'\"") for cell in text.split(",")]
