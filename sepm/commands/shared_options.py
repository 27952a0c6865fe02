"""Options that commands share, in groups: model, data, run, and the method's settings."""

import argparse
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sepm.analysis.plain_text import as_csv
from sepm.commands.dataclass_options import HelpAll, add_options, given_options
from sepm.datasets.files import write_whole
from sepm.datasets.options import DataOptions
from sepm.evaluation.request import EvaluationRequest, RunOptions
from sepm.method.config import DEFAULT_PRESET, PRESETS, MethodConfig
from sepm.models.options import ModelOptions
from sepm.progress import tell
from sepm.records.folder import as_json
from sepm.registry import METHODS, MethodRun, get_preset

WORDING = ("phrase", "fine_phrase", "foe_tokens", "fine_question", "fine_answer")
"""Settings that few experiments vary."""
GROUPS = {
    ModelOptions: ("model", "the checkpoint, and how it computes"),
    DataOptions: ("data", "questions and images"),
    RunOptions: ("run", "how a run goes, and where its results go"),
}


def add_groups(
    parser: argparse.ArgumentParser, *options: type, without: Collection[str] = ()
) -> None:
    """Add the options of some groups, but for the fields that the command decides."""
    for kind in options:
        add_options(parser.add_argument_group(*GROUPS[kind]), kind, without=without)


def evaluation_request(args: argparse.Namespace, **decided: object) -> EvaluationRequest:
    """The request of a command line, with the fields that the command decides.

    Raises:
        InputError: a value is out of its range.
    """
    given = argparse.Namespace(**{**vars(args), **decided})
    return EvaluationRequest(
        ModelOptions(**given_options(given, ModelOptions)),
        DataOptions(**given_options(given, DataOptions)),
        RunOptions(**given_options(given, RunOptions)),
    )


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
    group = parser.add_argument_group("method", "a preset, and settings that differ from it")
    group.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME",
        help=f"{', '.join(PRESETS)} [%(default)s]",
    )
    add_options(group, MethodConfig, optional=True, without=without, hidden=WORDING)
    group.add_argument(
        "--help-all", action=HelpAll, nargs=0, help="show the options of wording too"
    )


def method_config(args: argparse.Namespace) -> MethodConfig:
    """The preset's configuration with the fields that were given put in.

    Raises:
        InputError: unknown preset, or a value out of its range.
    """
    return replace(get_preset(args.preset), **given_options(args, MethodConfig))


def method_runs(args: argparse.Namespace) -> list[MethodRun]:
    """The runs of the methods named, each once, all with the same settings.

    Raises:
        InputError: unknown method or preset, or a value out of its range.
    """
    config = method_config(args)
    return [MethodRun(name, config, args.preset) for name in dict.fromkeys(args.method)]


def write_result(stem: Path, result: object, markdown: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write a result as Markdown, CSV and JSON; the files' names begin alike.

    Raises:
        InputError: a file cannot be written.
    """
    contents = {".md": markdown, ".csv": as_csv(list(rows)), ".json": as_json(result)}
    for suffix, content in contents.items():
        write_whole(stem.with_name(stem.name + suffix), content)
    tell(f"{stem}.md, .csv, .json")
