"""Command-line options made from dataclasses, so that a default is written once."""

import argparse
import types
from collections.abc import Callable, Collection
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints


def add_options(
    parser: argparse._ActionsContainer,
    config: type,
    *,
    optional: bool = False,
    without: Collection[str] = (),
    hidden: Collection[str] = (),
) -> None:
    """Add an option for every field of a dataclass; type, choices, default and help come from it.

    Args:
        parser: gets the options.
        config: dataclass whose fields are `Annotated[type, "help"]`, or with a metavar behind it.
        optional: leave options that are not given out of the result, so that other defaults (a
            preset's) hold.
        without: fields that get no option, since the command decides them.
        hidden: fields whose options `--help-all` alone shows.
    """
    hints = get_type_hints(config, include_extras=True)
    for field in fields(config):
        if field.name in without:
            continue
        arguments = _value_arguments(field.name, hints[field.name])
        if optional:
            arguments["default"] = argparse.SUPPRESS
        elif field.default is MISSING:
            arguments["required"] = True
        else:
            arguments["default"] = default = field.default
            if default not in (None, False):
                listed = isinstance(default, tuple)
                shown = " ".join(map(str, default)) if listed else "%(default)s"
                arguments["help"] += f" [{shown}]"
        if field.name in hidden:
            HelpAll.hidden[field.name], arguments["help"] = arguments["help"], argparse.SUPPRESS
        parser.add_argument("--" + field.name.replace("_", "-"), **arguments)


class HelpAll(argparse.Action):
    """`--help-all`: the help with the options that are hidden otherwise."""

    hidden: ClassVar[dict[str, str]] = {}
    """Help of the hidden options, by their names."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for action in parser._actions:
            action.help = self.hidden.get(action.dest, action.help)
        parser.print_help()
        parser.exit()


def given_options(args: argparse.Namespace, config: type) -> dict[str, Any]:
    """The values of a dataclass's fields that the command line gave."""
    given = {f.name: getattr(args, f.name) for f in fields(config) if hasattr(args, f.name)}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}


def _value_arguments(name: str, hint: Any) -> dict[str, Any]:
    """Arguments with which argparse reads a field's value."""
    assert get_origin(hint) is Annotated, f"field {name} has no help"
    hint, text, *given = get_args(hint)
    if hint is bool:
        return {"help": text, "action": "store_true"}
    if get_origin(hint) in (Union, types.UnionType):
        hint, *words = (option for option in get_args(hint) if option is not type(None))
        if words:  # a type or one of a Literal's words
            (accepted,) = map(get_args, words)
            reader = _reader(hint, accepted)
            return {"help": text, "type": reader, "metavar": "|".join(("N", *accepted))}
    if get_origin(hint) is tuple:
        each = Annotated[get_args(hint)[0], text, *(given or ["N"])]
        return {**_value_arguments(name, each), "nargs": "+"}
    if get_origin(hint) is Literal:
        return {"help": text, "choices": get_args(hint)}
    metavar = "PATH" if hint is Path or name.endswith("path") else name.upper()
    return {"help": text, "type": hint, "metavar": given[0] if given else metavar}


def _reader(kind: type, words: Collection[str]) -> Callable[[str], Any]:
    """A function that reads one of the words as itself, and any other text as of that kind."""

    def read(text: str) -> Any:
        try:
            return text if text in words else kind(text)
        except ValueError as error:
            expected = " or ".join((kind.__name__, *words))
            raise argparse.ArgumentTypeError(f"expected {expected}, got '{text}'") from error

    return read
