"""The command line: finds the command, runs it, and turns errors into exit statuses.

Exit status: 0 done; 2 the input or the configuration is wrong, nothing was computed; 1 the run
failed; 130 interrupted, what was done is kept and the same command goes on from there.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from cyclopts import App, CoercionError, CycloptsError, Parameter, convert
from cyclopts.exceptions import (
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

import sepm
from sepm.errors import InputError, RunError, did_you_mean, unknown_name
from sepm.evaluation import helper_process
from sepm.processes import LostProcessError, current_processes
from sepm.terminal import bear_any_encoding, complain, open_closed_streams, outlive_standard_error

COMMANDS: dict[str, str] = {
    "eval": "Evaluate methods on a question file.",
    "predict": "One image's whole decision.",
    "web": "A live page about one image: move α and β, see what changes.",
    "table": "Tables 1-3: compute what is not on disk, print it beside the paper's numbers.",
    "sensitivity": "Accuracy over α and β (Fig. 3).",
    "compare": "What differs between two runs, and which samples flipped.",
    "confidence": "Calibration of runs, and which score tells right from wrong.",
    "softgate": "A soft gate instead of the hard one, re-scored from two runs.",
    "votes": "Runs beside annotators' votes, and under each label rule.",
    "implied-n": "Numbers of images that printed percentages admit.",
    "evidence": "Whether dropping spares what people marked as an image's evidence.",
    "audit": "What batches, shared work and half precision change, with margins.",
    "questions": "Write a data set's question file.",
    "check": "Check a question file and decode its images, without a model.",
    "figures": "Draw the paper's figures from runs.",
    "report": "Write one page about runs: tables, figures, samples.",
    "export": "Write runs as lmms-eval or Every Eval Ever do, or push them to the hub.",
    "bench": "Measure what a run costs here, with random weights of any size.",
    "methods": "List the methods.",
    "presets": "List the presets, and in what they differ.",
    "tasks": "List the tasks, and their classes.",
}
"""Every command and what it does; `sepm/commands/<name>.py` holds it as `run`, "-" being "_"."""


RESUMING = ("eval", "table", "sensitivity")
"""Commands that go on from the rows that are on disk."""


def command_line() -> App:
    """The commands by name; only the one asked for is imported."""
    app = App(
        "sepm",
        help="Sharpening Emotion Perception in MLLMs (ICML 2025).",
        version=f"sepm {sepm.__version__}",
        help_format="markdown",
        default_parameter=Parameter(
            converter=partial(convert, converter=_read),
            negative=(),
            consume_multiple=1,
            allow_repeating=True,
            show_default=_shown,
        ),
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    for place, (name, text) in enumerate(COMMANDS.items()):
        module = f"sepm.commands.{name.replace('-', '_')}"
        app.command(f"{module}:run", name=name, help=text, sort_key=place)
    app.register_install_completion_command(help="Complete commands and options in this shell.")
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of a command line; of several processes the first runs it, the others help."""
    open_closed_streams()
    bear_any_encoding()
    outlive_standard_error()
    try:
        return _command(argv) if current_processes().is_main else helper_process.serve()
    except (InputError, LostProcessError) as error:  # of the processes themselves
        complain(f"sepm: {error}")
        return 2 if isinstance(error, InputError) else 1


def _command(argv: Sequence[str] | None) -> int:
    """Exit status of a command line; the other processes, if there are any, are dismissed."""
    helper_process.meet()
    status = _run(command_line(), list(sys.argv[1:] if argv is None else argv))
    if status in (0, 2):  # else they may be at work still, and hear of this one's end
        helper_process.dismiss(status)
    return status


def _run(app: App, arguments: list[str]) -> int:
    name = " ".join(["sepm", *(word for word in arguments[:1] if word in COMMANDS)])
    try:
        status = app(arguments) or 0  # None: of --help and --version
        sys.stdout.flush()
        return status
    except CycloptsError as error:
        complain(f"{name}: {_told(error)}\n`{name} --help` lists what there is")
        return 2
    except InputError as error:
        complain(f"{name}: {error}")
        return 2
    except KeyboardInterrupt:
        goes_on = " and the same command goes on from there (without --overwrite)"
        complain(
            f"\ninterrupted; what was done is kept,{goes_on}"
            if arguments[0] in RESUMING
            else "\ninterrupted"
        )
        return 130
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (RunError, OSError) as error:
        complain(f"{name}: {error}")
        return 1


def _read(kind: Any, text: str) -> Any:
    """A value of an option, or of the several that it takes; cyclopts would round 1.5 to an int.

    Raises:
        ValueError: the text is none of that kind.
    """
    if kind is int:
        return int(text)
    if kind is NoneType:  # of an option that may be left out
        raise ValueError(f"'{text}' is not nothing")
    try:
        return convert(kind, [text])
    except CoercionError as error:
        raise ValueError from error  # told with the option's name


def _told(error: CycloptsError) -> str:
    """What is wrong; an unknown option first, which may be why another is missing."""
    unused = error.unused_tokens or []
    if isinstance(error, UnknownCommandError):
        if unused[0].startswith("-"):
            return f"unknown option {unused[0]}{did_you_mean(unused[0], ('--help', '--version'))}"
        return unknown_name("command", unused[0], COMMANDS)
    if isinstance(error, UnknownOptionError):
        unused = [error.token.keyword or error.token.value]
    options = error.app.assemble_argument_collection() if error.app else ()
    known = {name for option in options for name in option.names if name.startswith("-")}
    for word in (text.split("=")[0] for text in unused):
        if word.startswith("-") and word not in known:
            return f"unknown option {word}{did_you_mean(word, known)}"
    if isinstance(error, UnusedCliTokensError):
        return f"there is no place for {shlex.join(unused)}"
    if isinstance(error, MissingArgumentError) and error.argument and not error.argument.has_tokens:
        lacking = f"{error.keyword} needs a value" if error.keyword else ""
        return lacking or f"{error.argument.name} is required"
    if (
        isinstance(error, CoercionError)
        and error.token
        and get_origin(error.target_type) is Literal
    ):
        option = error.token.keyword or (error.argument.name if error.argument else "value")
        return unknown_name(option, error.token.value, map(str, get_args(error.target_type)))
    return str(error)


def _shown(default: object) -> str | None:
    """A default in the help; None, False and empty ones say nothing."""
    if default in (None, False, ()):
        return None
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
