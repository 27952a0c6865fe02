"""`sepm bench`: what a run costs here, measured with random weights of any size."""

import argparse
from typing import Any

from sepm.bench.request import PARTS, BenchRequest
from sepm.commands.dataclass_options import add_options, given_options
from sepm.datasets.files import write_whole
from sepm.records.folder import as_json
from sepm.terminal import complain, show_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        nargs="+",
        default=tuple(PARTS),
        metavar="PART",
        help="; ".join(f"{name}: {what}" for name, what in PARTS.items()) + " [all]",
    )
    add_options(parser, BenchRequest, without=("only",))
    parser.add_argument("--json", action="store_true", help="print the JSON file")


def run(args: argparse.Namespace) -> int:
    """Exit status 0; 1 where in float32 a letter differs between variants."""
    request = BenchRequest(**given_options(args, BenchRequest))
    from sepm.bench.run import bench  # imports torch, once the options are right
    from sepm.bench.text import as_text

    result = bench(request)
    show_result(result, f"{as_text(result)}\n\n{request.output_file}", as_json=args.json)
    write_whole(request.output_file, as_json(result))  # last: what was measured has been shown
    if differing := other_letters(result):
        complain(f"sepm bench: {differing}")
        return 1
    return 0


def other_letters(result: dict[str, Any]) -> str | None:
    """What is wrong where in float32 letters differ, or nothing."""
    pairs = [pair for pair in result["sameness"]["pairs"] if pair["letters"]]
    if result["environment"]["dtype"] != "float32" or not pairs:
        return None
    listed = "; ".join(
        f"{p['variant']} gave other letters than {p['baseline']} for {p['letters']} of "
        f"{p['answers']} answers"
        for p in pairs
    )
    return f"{listed}: in float32 all must be the same; --json lists them under sameness.pairs"
