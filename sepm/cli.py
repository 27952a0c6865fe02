"""The command line: finds the command, runs it, and turns errors into exit statuses.

Exit status: 0 done; 2 the input or the configuration is wrong, nothing was computed; 1 the run
failed; 130 interrupted, what was done is kept and the same command goes on from there.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from sepm.errors import InputError, RunError
from sepm.evaluation import helper_process
from sepm.processes import LostProcessError, current_processes
from sepm.terminal import bear_any_encoding, complain

COMMANDS: dict[str, str] = {
    "eval": "evaluate methods on a question file",
    "predict": "one image's whole decision",
    "web": "a live page about one image: move α and β, see what changes",
    "table": "Tables 1-3: compute what is not on disk, print it beside the paper's numbers",
    "sensitivity": "accuracy over α and β (Fig. 3)",
    "compare": "what differs between two runs, and which samples flipped",
    "audit": "what batches, shared work and half precision change, with margins",
    "questions": "write a data set's question file",
    "check": "check a question file and decode its images, without a model",
    "figures": "draw the paper's figures from runs",
    "report": "write one page about runs: tables, figures, samples",
    "bench": "measure what a run costs here, with random weights of any size",
}
"""Every command and what it does; `sepm/commands/<name>.py` holds it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of a command line; of several processes the first runs it, the others help."""
    bear_any_encoding()
    try:
        return _command(argv) if current_processes().is_main else helper_process.serve()
    except (InputError, LostProcessError) as error:  # of the processes themselves
        complain(f"sepm: {error}")
        return 2 if isinstance(error, InputError) else 1


def _command(argv: Sequence[str] | None) -> int:
    """Exit status of a command line; the other processes, if there are any, are dismissed."""
    try:
        status = _run(*_parsed(argv))
    except SystemExit as stop:  # argparse has answered: --help, or what is wrong
        helper_process.dismiss(int(stop.code or 0))
        raise
    if status in (0, 2):  # else they may be at work still, and hear of this one's end
        helper_process.dismiss(status)
    return status


def _parsed(argv: Sequence[str] | None) -> tuple[ModuleType, argparse.Namespace]:
    """The command that a command line asks for, and its arguments."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="sepm", description="Sharpening Emotion Perception in MLLMs (ICML 2025)."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = None
    for name, text in COMMANDS.items():
        chosen = commands.add_parser(name, help=text, description=text)
        if arguments[:1] == [name]:  # only the command asked for is imported
            module = importlib.import_module(f"sepm.commands.{name}")
            module.add_arguments(chosen)
    args = parser.parse_args(arguments)
    assert module is not None, "argparse has refused unknown commands"
    return module, args


def _run(module: ModuleType, args: argparse.Namespace) -> int:
    try:
        status = module.run(args)
        sys.stdout.flush()
        return status
    except InputError as error:
        complain(f"sepm {args.command}: {error}")
        return 2
    except KeyboardInterrupt:
        complain(
            "\ninterrupted; what was done is kept, and the same command goes on from there "
            "(without --overwrite)"
        )
        return 130
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (RunError, OSError) as error:
        complain(f"sepm {args.command}: {error}")
        return 1
