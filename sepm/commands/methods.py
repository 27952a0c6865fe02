"""`sepm methods`: what can stand behind `--method`."""

from sepm.documents import Grid
from sepm.registry import METHODS
from sepm.terminal import show


def run() -> int:
    """List the methods."""
    rows = [[name, method.what, " ".join(sorted(method.reads))] for name, method in METHODS.items()]
    show([Grid(("method", "what it is", "settings that it reads"), rows, words=3)])
    return 0
