"""`sepm report`: one page about runs, that opens from a file and asks for nothing."""

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sepm.commands.figures import ImageFolder, read_groups
from sepm.commands.options import Runs
from sepm.datasets.files import write_whole
from sepm.errors import InputError
from sepm.terminal import show

THUMBNAILS_HELP = (
    "Samples of each data set and model that get a picture, drawn evenly over classes and outcomes."
)


def run(
    runs: Runs,
    /,
    *,
    image_folder: ImageFolder = (),
    output: Annotated[Path, Parameter(help="HTML file.")] = Path("report.html"),
    thumbnails: Annotated[int, Parameter(help=THUMBNAILS_HELP)] = 160,
) -> int:
    """Write one page about runs: tables, figures, samples. It opens from a file."""
    if thumbnails < 0:
        raise InputError(f"--thumbnails must be at least 0, got {thumbnails}")
    from sepm.report.page import report_page

    images = [part for folder in image_folder for part in ("--image-folder", folder)]
    options = [*images, "--output", str(output), "--thumbnails", str(thumbnails)]
    command = shlex.join(map(shown, ["sepm", "report", *map(str, runs), *options]))
    write_whole(output, report_page(*read_groups(runs, image_folder), thumbnails, command))
    show(str(output))
    return 0


def shown(text: str) -> str:
    """A word of the command line; of a path from the root, or `DATASET=PATH`, its last name."""
    dataset, found, path = text.rpartition("=")
    return f"{dataset}{found}{Path(path).name if Path(path).is_absolute() else path}"
