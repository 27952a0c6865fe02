"""`sepm report`: one page about runs, that opens from a file and asks for nothing."""

import argparse
import shlex
from pathlib import Path

from sepm.commands.figures import add_runs, read_groups
from sepm.datasets.files import write_whole
from sepm.errors import InputError
from sepm.terminal import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser, "pictures")
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="[%(default)s]"
    )
    parser.add_argument(
        "--thumbnails",
        type=int,
        default=160,
        metavar="N",
        help="samples of each data set and model that get a picture, drawn evenly over classes "
        "and outcomes [%(default)s]",
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 0."""
    if args.thumbnails < 0:
        raise InputError(f"--thumbnails must be at least 0, got {args.thumbnails}")
    from sepm.report.page import report_page

    page = report_page(*read_groups(args), args.thumbnails, command_line(args))
    write_whole(args.output, page)
    show(str(args.output))
    return 0


def command_line(args: argparse.Namespace) -> str:
    """The command as the page tells it: of a path from the root its last name alone."""
    images = [part for folder in args.image_folder for part in ("--image-folder", shown(folder))]
    runs = [shown(str(path)) for path in args.runs]
    output = ["--output", shown(str(args.output)), "--thumbnails", str(args.thumbnails)]
    return shlex.join(["sepm", "report", *runs, *images, *output])


def shown(text: str) -> str:
    """A path, or `DATASET=DIR`, without the folders that are nobody's business."""
    dataset, found, path = text.rpartition("=")
    return f"{dataset}{found}{Path(path).name if Path(path).is_absolute() else path}"
