"""The report page: one file that asks for nothing, made from the records of some runs."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps

from sepm.analysis.stored_run import StoredRun
from sepm.records.tiled_grid import PLACES_UNKNOWN
from sepm.report import tables
from sepm.report.figures import FIGURES, Choice, Drawn, draw_figures
from sepm.report.image_folders import ImageFolders
from sepm.report.payload import browsable, page_payload
from sepm.report.runs import RunGroup, places_of
from sepm.report.style import rendered, styled

FIGURE_ORDER = ("6", "flips", "5", "3", "confusion", "4")
PHOTOGRAPHIC = {"figure-4"}
"""Figures that hold images, smaller as PNG than as SVG."""
PHOTOGRAPHIC_DPI = 110


def report_page(groups: Sequence[RunGroup], folders: ImageFolders, thumbnails: int) -> str:
    """The page's HTML, the same bytes for the same records and images.

    Up to `thumbnails` samples of each group get a picture, where there is an image folder.

    Raises:
        InputError: an image cannot be read.
    """
    environment = Environment(
        loader=PackageLoader("sepm.report"), autoescape=True, undefined=StrictUndefined
    )
    assert environment.loader is not None, "made above"
    style, script = (
        environment.loader.get_source(environment, name)[0] for name in ("report.css", "report.js")
    )
    return environment.get_template("report.html.j2").render(
        places_unknown=PLACES_UNKNOWN,
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
        `title`, `tables`, `details` (tables that are folded away), `pictures` (the drawn figures
        with the data URI of each), `left_out`: names of runs that the sample browser lacks, and
        `unplaced`: names of runs that drop visual tokens without telling where these lie.
    """
    assert set(FIGURE_ORDER) == set(FIGURES), "every figure has its place"
    shown = (tables.results(group), tables.paired_tests(group), tables.per_class(group))
    details = (tables.differing_settings(group), tables.shared_settings(group))
    inside = {run.name for run in browsable(group)}
    with styled():
        results = draw_figures(group, Choice(folders.get(group.dataset)), FIGURE_ORDER)
        pictures = [(drawn, _data_uri(drawn)) for drawn in results if isinstance(drawn, Drawn)]
    return {
        "title": f"{group.model} on {group.dataset}",
        "tables": [table for table in shown if table],
        "details": [table for table in details if table],
        "pictures": pictures,
        "unplaced": [run.name for run in group.runs if _is_unplaced(run)],
        "left_out": [run.name for run in group.runs if run.name not in inside],
    }


def _is_unplaced(run: StoredRun) -> bool:
    """Whether it dropped visual tokens of an image on which their places are not known."""
    dropping = (record for record in run.records if record.get("dropped"))
    return any(places_of(run, record) is None for record in dropping)


def _data_uri(drawn: Drawn) -> str:
    """The figure as an image, which keeps its styles to itself and runs no script."""
    if drawn.name in PHOTOGRAPHIC:
        kind, content = "png", rendered(drawn.figure, "png", PHOTOGRAPHIC_DPI)
    else:
        kind, content = "svg+xml", rendered(drawn.figure, "svg")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _hash(source: str) -> str:
    """Hash by which the page's content security policy knows an inline style or script."""
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _compact(value: Any, **settings: Any) -> str:
    # ASCII alone: U+2028 and half surrogates are escaped too.
    return json.dumps(value, separators=(",", ":"), allow_nan=False, **settings)
