"""Numbers of images that a percentage admits by its decimals, rounded or cut off."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sepm.documents import ABSENT, Document, Grid
from sepm.errors import InputError

MOST_DECIMALS = 6
SHOWN = 8
"""Numbers of images that a line of text lists."""

WAYS = {"rounded": False, "cut_off": True}
"""Ways to print a percentage: further decimals are rounded, or left off."""


@dataclass(frozen=True)
class Printed:
    """A percentage as a table prints it.

    Raises:
        InputError: the text is no number from 0 to 100 with at most `MOST_DECIMALS` decimals.
    """

    text: str
    """Digits with their decimals, which "30.70" has two of and "30.7" one."""

    def __post_init__(self) -> None:
        form = rf"\d{{1,3}}(\.\d{{1,{MOST_DECIMALS}}})?"
        if not re.fullmatch(form, self.text, re.ASCII) or float(self.text) > 100:
            raise InputError(
                f"'{self.text}' is no printed percentage; expected a number from 0 to 100 with at "
                f"most {MOST_DECIMALS} decimals, as 32.89"
            )

    def fits(self, n: int, *, cut_off: bool = False) -> bool:
        """Whether some k of n images, n at least 1, are that percentage, printed so.

        Further decimals are rounded, halves either way, or with `cut_off` left off.
        """
        decimals = len(self.text.partition(".")[2])
        printed = round(10**decimals * float(self.text))
        # In parts of n which make halves of the last decimal whole: scale × k lies within both.
        scale = 200 * 10**decimals
        least = (2 * printed - (not cut_off)) * n
        most = (2 * printed + 1) * n if not cut_off else (2 * printed + 2) * n - 1
        return most // scale * scale >= least

    def fitting(self, among: Iterable[int], *, cut_off: bool = False) -> list[int]:
        """The n of several that admit it, as `fits` tells."""
        return [n for n in among if self.fits(n, cut_off=cut_off)]


def implied_sizes(
    cells: Sequence[Printed], at_most: int, asked: Sequence[int] = ()
) -> dict[str, Any]:
    """The numbers of images that the cells of a column admit, ready for JSON.

    Returns:
        `at_most`; `cells`, for each its text and all n from 1 to `at_most` that admit it `rounded`
        and `cut_off`; `column`, the n that admit all cells so, and `either`: each cell in one of
        both ways; `asked`, for each n asked for, whether it admits each cell rounded and cut off.
    """
    sizes = range(1, at_most + 1)
    found = [{way: cell.fitting(sizes, cut_off=cut) for way, cut in WAYS.items()} for cell in cells]
    column = {way: _common([set(ways[way]) for ways in found]) for way in WAYS}
    column["either"] = _common([{*ways["rounded"], *ways["cut_off"]} for ways in found])
    return {
        "at_most": at_most,
        "cells": [{"printed": c.text, **ways} for c, ways in zip(cells, found, strict=True)],
        "column": column,
        "asked": [
            {"n": n} | {w: [c.fits(n, cut_off=cut) for c in cells] for w, cut in WAYS.items()}
            for n in asked
        ],
    }


def _common(sizes: Sequence[set[int]]) -> list[int]:
    return sorted(set.intersection(*sizes))


def as_document(found: dict[str, Any]) -> Document:
    """The n of each cell and of all together, and each cell under the n asked for."""
    rows = [
        [cell["printed"], _listed(cell["rounded"]), _listed(cell["cut_off"])]
        for cell in found["cells"]
    ]
    column = found["column"]
    rows.append(["all cells", _listed(column["rounded"]), _listed(column["cut_off"])])
    parts: list[str | Grid] = [
        f"numbers of images up to {found['at_most']} that admit it",
        Grid(("printed", "n if rounded", "n if cut off"), rows, words=3),
        f"all cells, each rounded or cut off: {_listed(column['either'])}",
    ]
    if found["asked"]:
        header = ("printed", *(f"n = {one['n']}" for one in found["asked"]))
        cells = [
            [cell["printed"], *(_said(one, place) for one in found["asked"])]
            for place, cell in enumerate(found["cells"])
        ]
        parts += ["", Grid(header, cells)]
    return parts


def _listed(sizes: Sequence[int]) -> str:
    """The first few, and how many there are."""
    if not sizes:
        return "none"
    more = f", … ({len(sizes)})" if len(sizes) > SHOWN else ""
    return ", ".join(map(str, sizes[:SHOWN])) + more


def _said(one: dict[str, Any], place: int) -> str:
    """Ways in which an n admits the cell at a place."""
    ways = [way.replace("_", " ") for way in WAYS if one[way][place]]
    return " or ".join(ways) or ABSENT
