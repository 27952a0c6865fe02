"""`sepm implied-n`: how many images a table's percentages may be of."""

from typing import Annotated

from cyclopts import Parameter

from sepm.analysis.printed_percent import Printed, as_document, implied_sizes
from sepm.commands.options import AsJson
from sepm.errors import InputError
from sepm.terminal import show_result

PERCENTAGES = Parameter(help="Percentages of one column, with all the decimals that are printed.")
ASKED = Parameter(name="--n", help="Numbers of images to try, cell by cell.")


def run(
    percentages: Annotated[tuple[str, ...], PERCENTAGES],
    /,
    *,
    n: Annotated[tuple[int, ...], ASKED] = (),
    at_most: Annotated[int, Parameter(help="Largest number of images that is tried.")] = 10_000,
    as_json: AsJson = False,
) -> int:
    """Tell the numbers of images that a column of printed percentages admits, rounded or cut off.

    With two decimals every percentage fits any number from 10,000 on.
    """
    for name, sizes in (("--n", n), ("--at-most", (at_most,))):
        if wrong := [size for size in sizes if not 1 <= size <= 1_000_000]:
            raise InputError(f"{name} must be from 1 to 1,000,000, got {wrong[0]}")
    found = implied_sizes([Printed(text) for text in percentages], at_most, n)
    show_result(found, as_document(found), as_json=as_json)
    return 0
