"""`sepm compare`: what differs between two runs, and which samples flipped."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sepm.analysis.compare import compare
from sepm.analysis.compare_text import as_document
from sepm.analysis.stored_run import read_run
from sepm.commands.options import AsJson
from sepm.terminal import show_result


def run(
    first: Annotated[Path, Parameter(help="Folder of a run, the reference.")],
    second: Annotated[Path, Parameter(help="Folder of another run.")],
    /,
    *,
    as_json: AsJson = False,
) -> int:
    """Tell what differs between two runs, and which samples flipped; --json has every flip."""
    found = compare(read_run(first), read_run(second))
    show_result(found, as_document(found), as_json=as_json)
    return 0
