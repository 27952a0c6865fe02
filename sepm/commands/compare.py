"""`sepm compare`: what differs between two runs, and which samples flipped."""

import argparse
from pathlib import Path

from sepm.analysis.compare import compare
from sepm.analysis.compare_text import as_text
from sepm.analysis.stored_run import read_run
from sepm.terminal import show_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="RUN", help="a run's folder, the reference")
    parser.add_argument("second", type=Path, metavar="RUN", help="another run's folder")
    parser.add_argument("--json", action="store_true", help="print all of it, every flip, as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 0."""
    found = compare(read_run(args.first), read_run(args.second))
    show_result(found, as_text(found), as_json=args.json)
    return 0
