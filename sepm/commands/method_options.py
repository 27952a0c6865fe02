"""Options of every command that runs a method: the preset, and each of its fields by itself."""

import argparse
from collections.abc import Collection
from dataclasses import replace

from sepm.commands.options import add_options, given_options
from sepm.errors import InputError, unknown_name
from sepm.evaluation.run_folder import MethodRun
from sepm.method.config import MethodConfig
from sepm.method.presets import DEFAULT_PRESET, PRESETS
from sepm.registry import METHODS


def add_method_names(parser: argparse.ArgumentParser) -> None:
    """Add `--method`, one or several names."""
    parser.add_argument(
        "--method",
        action="extend",
        nargs="+",
        required=True,
        metavar="NAME",
        help=f"one or several of {', '.join(METHODS)}",
    )


def add_method_options(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add `--preset` and one option for each field of the configuration but those left out."""
    group = parser.add_argument_group("method", "a preset, and fields that differ from it")
    group.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME",
        help=f"{', '.join(PRESETS)} [%(default)s]",
    )
    add_options(group, MethodConfig, optional=True, without=without)


def method_config(args: argparse.Namespace) -> MethodConfig:
    """The preset's configuration with the fields that were given put in.

    Raises:
        InputError: unknown preset, or a value out of its range.
    """
    if args.preset not in PRESETS:
        raise InputError(unknown_name("preset", args.preset, PRESETS))
    return replace(PRESETS[args.preset], **given_options(args, MethodConfig))


def method_runs(args: argparse.Namespace) -> list[MethodRun]:
    """The runs of the methods named, each once, all with the same settings.

    Raises:
        InputError: unknown method or preset, or a value out of its range.
    """
    config = method_config(args)
    return [MethodRun(name, config, args.preset) for name in dict.fromkeys(args.method)]
