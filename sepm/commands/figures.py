"""`sepm figures`: the paper's figures from one's own runs, as PNG and SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sepm.commands.options import COMMAND, AsJson, Runs
from sepm.datasets.files import write_whole
from sepm.errors import InputError, require_known
from sepm.terminal import show_result

if TYPE_CHECKING:
    from sepm.report.figures import Choice
    from sepm.report.image_folders import ImageFolders
    from sepm.report.runs import RunGroup


@dataclass(frozen=True, kw_only=True)
class FigureOptions:
    """Which figures are drawn, of which samples, and where they go."""

    output: Path = Path("figures")
    """Folder of the figures."""
    figure: tuple[str, ...] = ()
    """Some of them by name, as 4 or flips; an unknown name lists all [all that the runs give]."""
    samples: tuple[str, ...] = ()
    """Question ids of figure 4."""
    per_class: int = 1
    """Samples of each class in figure 4, drawn evenly."""

    def __post_init__(self) -> None:
        if self.per_class < 1:
            raise InputError(f"--per-class must be at least 1, got {self.per_class}")


ImageFolder = Annotated[
    tuple[str, ...],
    Parameter(
        help="Images of the runs, as DIR or DATASET=DIR; given once for each data set.",
        consume_multiple=False,
    ),
]


def read_groups(
    runs: Sequence[Path], image_folder: Sequence[str]
) -> tuple[list["RunGroup"], "ImageFolders"]:
    """The runs of a command line, grouped, and the image folder of each data set."""
    from sepm.report.image_folders import image_folders
    from sepm.report.runs import read_run_groups

    groups = read_run_groups(runs)
    return groups, image_folders(image_folder, groups)


def run(
    runs: Runs,
    /,
    *,
    image_folder: ImageFolder = (),
    options: Annotated[FigureOptions, Parameter(name="*", group=COMMAND)] = FigureOptions(),
    as_json: AsJson = False,
) -> int:
    """Draw the paper's figures from runs, as PNG and SVG.

    Exit status 0: what the runs give is drawn; what they do not is told.
    """
    from sepm.report.figures import FIGURES, Choice

    names = list(options.figure or FIGURES)
    for name in names:
        require_known("figure", name, FIGURES)
    groups, folders = read_groups(runs, image_folder)
    written: list[str] = []
    missing: list[str] = []
    for group in groups:
        choice = Choice(folders.get(group.dataset), options.samples, options.per_class)
        drawn, not_drawn = write_figures(group, choice, names, options.output)
        written += drawn
        missing += not_drawn
    if options.figure and missing:
        raise InputError("; ".join(missing))
    text = "\n".join([*written, *(f"not drawn: {reason}" for reason in missing)])
    show_result({"files": written, "not_drawn": missing}, text, as_json=as_json)
    return 0


def write_figures(
    group: "RunGroup", choice: "Choice", names: list[str], output: Path
) -> tuple[list[str], list[str]]:
    """Paths written below `<output>/<dataset>/<model>/`, and what could not be drawn."""
    from sepm.report.figures import Drawn, draw_figures
    from sepm.report.flips_figure import flip_table
    from sepm.report.style import FORMATS, rendered, styled

    folder = output / group.dataset / group.model
    written: list[str] = []
    missing: list[str] = []
    with styled():
        for result in draw_figures(group, choice, names):
            if not isinstance(result, Drawn):
                missing.append(f"{group.dataset}, {group.model}, {result.name}: {result.reason}")
                continue
            for kind in FORMATS:
                path = folder / f"{result.name}.{kind}"
                write_whole(path, rendered(result.figure, kind))
                written.append(str(path))
            if result.name == "flips" and group.compared:
                path = folder / "flips.csv"
                write_whole(path, flip_table(*group.compared))
                written.append(str(path))
    return written, missing
