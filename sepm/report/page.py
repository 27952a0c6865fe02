"""The report page: one file that asks for nothing, made from the records of some runs."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps

from sepm import __version__
from sepm.analysis.stored_run import StoredRun
from sepm.records.tiled_grid import PLACES_UNKNOWN
from sepm.report import tables
from sepm.report.figures import FIGURES, Choice, Drawn, draw_figures
from sepm.report.glossary import GLOSSARY
from sepm.report.image_folders import ImageFolders
from sepm.report.payload import browsable, data_uri, page_payload
from sepm.report.runs import RunGroup
from sepm.report.style import after_dark, rendered, styled
from sepm.report.summary import facts, verdicts
from sepm.report.tables import Table

FIRST_FIGURES = ("6", "3", "5", "risk-coverage", "flips", "confusion", "4")
"""Figures in their order on the page; others follow."""
FIGURE_4_COLUMNS = 2
MOST_INCHES = 12
"""Wider figures have a row of the page for themselves."""
RESOLUTION = 110
"""Pixels per inch of photographs in figures."""


def report_page(
    groups: Sequence[RunGroup], folders: ImageFolders, thumbnails: int, command: str = ""
) -> str:
    """The page's HTML, the same bytes for the same files of runs and images.

    Up to `thumbnails` samples of each group get a picture, where there is an image folder; the
    command line that made the page stands at its end.

    Raises:
        InputError: an image cannot be read.
    """
    environment = Environment(
        loader=PackageLoader("sepm.report"), autoescape=True, undefined=StrictUndefined
    )
    assert environment.loader is not None, "made above"
    environment.filters["csv_uri"] = csv_uri
    style, script = (
        environment.loader.get_source(environment, name)[0] for name in ("report.css", "report.js")
    )
    return environment.get_template("report.html.j2").render(
        places_unknown=PLACES_UNKNOWN,
        words=GLOSSARY,
        version=__version__,
        command=command,
        sections=[section(group, folders) for group in groups],
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        payload=htmlsafe_json_dumps(page_payload(groups, folders, thumbnails), dumps=_compact),
    )


def section(group: RunGroup, folders: ImageFolders) -> dict[str, Any]:
    """A group's part of the page.

    Returns:
        `title`; `verdicts` and `facts` of the head; `tables`; `classes`: a table, or None;
        `details`: tables that are folded away; `figures`, each `Shown`; `left_out`: names of runs
        that the sample browser lacks; `unplaced`: names of runs that drop visual tokens without
        telling where these lie.
    """
    shown = (tables.results(group), tables.paired_tests(group), tables.calibration(group))
    details = (tables.differing_settings(group), tables.shared_settings(group))
    inside = {run.name for run in browsable(group)}
    return {
        "title": f"{group.model} on {group.dataset}",
        "verdicts": verdicts(group),
        "facts": facts(group),
        "tables": [table for table in shown if table],
        "classes": tables.per_class(group),
        "details": [table for table in details if table],
        "figures": _shown_figures(group, folders.get(group.dataset)),
        "unplaced": [run.name for run in group.runs if _is_unplaced(run)],
        "left_out": [run.name for run in group.runs if run.name not in inside],
    }


Width = Literal["third", "half", "full"]
"""Share of a row of the page."""


@dataclass(frozen=True)
class Shown:
    """A figure as the page shows it."""

    name: str
    caption: str
    source: str
    """Data URI."""
    width: Width


def _shown_figures(group: RunGroup, image_folder: Path | None) -> list[Shown]:
    choice = Choice(image_folder, columns=FIGURE_4_COLUMNS)
    with styled():
        results = draw_figures(group, choice, tuple(dict.fromkeys((*FIRST_FIGURES, *FIGURES))))
        drawn = [result for result in results if isinstance(result, Drawn)]
        names = {one.name for one in drawn}
        return [Shown(d.name, d.caption, _data_uri(d), _width(d, names)) for d in drawn]


def _width(drawn: Drawn, names: set[str]) -> Width:
    """The share of a row that a figure has among others of some names, so that rows are full.

    Figure 6 stands beside the table of classes, Figure 4 is in two parts. The small figures share a
    row, and the three matrices another; a single run's one matrix is among the small ones.
    """
    matrices = {name for name in names if name.startswith("confusion")}
    small = names & {"figure-5", "risk-coverage", "flips"}
    if len(matrices) == 1:
        small |= matrices
    if drawn.name == "figure-3" or drawn.figure.get_figwidth() > MOST_INCHES:
        return "full"
    row = small if drawn.name in small else matrices
    return "third" if drawn.name in row and len(row) == 3 else "half"


def _is_unplaced(run: StoredRun) -> bool:
    """Whether it dropped visual tokens of an image on which their places are not known."""
    dropping = (record for record in run.records if record.get("dropped"))
    return any(run.token_places(record) is None for record in dropping)


def _data_uri(drawn: Drawn) -> str:
    """The figure as an image, which keeps its styles to itself and runs no script."""
    return data_uri("image/svg+xml", after_dark(rendered(drawn.figure, "svg", RESOLUTION)))


def csv_uri(table: Table) -> str:
    """A table as a CSV file."""
    return data_uri("text/csv;charset=utf-8", table.csv.encode())


def _hash(source: str) -> str:
    """Hash by which the page's content security policy knows an inline style or script."""
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _compact(value: Any, **settings: Any) -> str:
    # ASCII alone: U+2028 and half surrogates are escaped too.
    return json.dumps(value, separators=(",", ":"), allow_nan=False, **settings)
