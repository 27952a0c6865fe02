"""Notes and progress of a run, all on standard error."""

import sys

from tqdm import tqdm

from sepm.processes import Processes, current_processes
from sepm.terminal import printable

TERMINAL_SECONDS, LOG_SECONDS = 0.1, 30.0
"""Time between two states of the bar: in a log each is a line of its own."""


def tell(message: str) -> None:
    """One note for the user, beside the progress bar; of several processes the first gives it."""
    if current_processes().is_main:
        tqdm.write(printable(f"note: {message}"), file=sys.stderr)


def tell_own(message: str, processes: Processes) -> None:
    """One note that concerns this process alone; it is named where there are several."""
    named = f"{processes.name}: {message}" if processes.count > 1 else message
    tqdm.write(printable(f"note: {named}"), file=sys.stderr)


def progress_bar(
    total: int, done: int, description: str = "evaluating", *, shown: bool = True
) -> tqdm:
    """A bar over images, with images a second and the time left.

    Args:
        total: images of the run.
        done: how many of them an earlier run has done.
        description: what stands before the bar.
        shown: whether there is one to be seen.
    """
    seconds = TERMINAL_SECONDS if sys.stderr.isatty() else LOG_SECONDS
    return tqdm(
        total=total,
        initial=done,
        unit="image",
        desc=description,
        disable=not shown,
        mininterval=seconds,
        maxinterval=max(seconds, 10.0),
    )
