"""`sepm figures`: the paper's figures from one's own runs, as PNG and SVG."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sepm.commands.dataclass_options import add_options
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

    output: Annotated[Path, "folder of the figures", "DIR"] = Path("figures")
    figure: Annotated[
        tuple[str, ...] | None,
        "some of 3, 4, 5, 6, confusion, flips [all that the runs give]",
        "NAME",
    ] = None
    samples: Annotated[tuple[str, ...] | None, "question ids of figure 4", "ID"] = None
    per_class: Annotated[int, "samples of each class in figure 4, drawn evenly", "N"] = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser, "figure 4")
    add_options(parser, FigureOptions)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_runs(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add the runs, and `--image-folder`, which may be given several times."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, or folders above them"
    )
    parser.add_argument(
        "--image-folder",
        action="append",
        default=[],
        metavar="[DATASET=]DIR",
        help=f"images of the runs, for {purpose}; given once for each data set",
    )


def read_groups(args: argparse.Namespace) -> tuple[list["RunGroup"], "ImageFolders"]:
    """The runs of a command line, grouped, and the image folder of each data set."""
    from sepm.report.image_folders import image_folders
    from sepm.report.runs import read_run_groups

    groups = read_run_groups(args.runs)
    return groups, image_folders(args.image_folder, groups)


def run(args: argparse.Namespace) -> int:
    """Exit status 0: what the runs give is drawn; what they do not is told."""
    if args.per_class < 1:
        raise InputError(f"--per-class must be at least 1, got {args.per_class}")
    from sepm.report.figures import FIGURES, Choice

    names = args.figure or list(FIGURES)
    for name in names:
        require_known("figure", name, FIGURES)
    groups, folders = read_groups(args)
    written: list[str] = []
    missing: list[str] = []
    for group in groups:
        choice = Choice(folders.get(group.dataset), tuple(args.samples or ()), args.per_class)
        drawn, not_drawn = write_figures(group, choice, names, args.output)
        written += drawn
        missing += not_drawn
    if args.figure and missing:
        raise InputError("; ".join(missing))
    text = "\n".join([*written, *(f"not drawn: {reason}" for reason in missing)])
    show_result({"files": written, "not_drawn": missing}, text, as_json=args.json)
    return 0


def write_figures(
    group: "RunGroup", choice: "Choice", names: list[str], output: Path
) -> tuple[list[str], list[str]]:
    """Paths written below `<output>/<dataset>/<model>/`, and what could not be drawn."""
    from sepm.report.figures import Drawn, draw_figures
    from sepm.report.flips import flip_table
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
