"""What the user sees of a run while it goes on, all of it on standard error."""

import sys

from tqdm import tqdm

TERMINAL_SECONDS, LOG_SECONDS = 0.1, 30.0
"""Time between two states of the bar: in a log each is a line of its own."""


def tell(message: str) -> None:
    """One note for the user, beside the progress bar."""
    tqdm.write(f"note: {message}", file=sys.stderr)


def progress_bar(total: int, done: int) -> tqdm:
    """A bar over all images of a run, with images a second and the time left.

    Args:
        total: images of the run.
        done: how many of them an earlier run has done.
    """
    seconds = TERMINAL_SECONDS if sys.stderr.isatty() else LOG_SECONDS
    return tqdm(
        total=total,
        initial=done,
        unit="image",
        desc="evaluating",
        mininterval=seconds,
        maxinterval=max(seconds, 10.0),
    )
