"""`sepm softgate`: the coarse answer as a weight instead of a gate, from two stored runs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sepm.analysis.soft_gate import as_document, soft_gate
from sepm.analysis.stored_run import read_run
from sepm.commands.options import AsJson
from sepm.terminal import show_result


def run(
    coarse_run: Annotated[Path, Parameter(help="Folder of a run of cci, cci+fp or sepm.")],
    full_run: Annotated[Path, Parameter(help="Folder of a run of zero-shot or fp.")],
    /,
    *,
    as_json: AsJson = False,
) -> int:
    """Re-score two runs with a soft gate, and compare it with the first one's hard gate."""
    found = soft_gate(read_run(coarse_run), read_run(full_run))
    show_result(found, as_document(found), as_json=as_json)
    return 0
