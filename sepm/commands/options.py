"""Options that commands share, made from the dataclasses that hold them.

An option's name, type, choices, default and help are its field's. Each group is a parameter of a
command's function.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

from cyclopts import Group, Parameter
from docstring_parser import parse_from_object

from sepm.datasets.options import DataOptions, SampleOptions, TaskOptions
from sepm.evaluation.request import RunOptions
from sepm.method.config import DEFAULT_PRESET, PRESETS, MethodConfig
from sepm.models.options import CheckpointOptions, ModelOptions
from sepm.progress import tell
from sepm.registry import METHODS, MethodRun, get_preset, without_effect

T = TypeVar("T")

COMMAND, MODEL, DATA, RUN, METHOD, WORDING = (
    Group.create_ordered(title)
    for title in ("Command", "Model", "Data", "Run", "Method", "Wording of the queries")
)
WORDS = ("phrase", "fine_phrase", "foe_tokens", "fine_question", "fine_answer")
"""Settings that few experiments vary; they stand last."""

Checkpoint = Annotated[CheckpointOptions, Parameter(name="*", group=MODEL)]
Model = Annotated[ModelOptions, Parameter(name="*", group=MODEL)]
Task = Annotated[TaskOptions, Parameter(name="*", group=DATA)]
Samples = Annotated[SampleOptions, Parameter(name="*", group=DATA)]
Data = Annotated[DataOptions, Parameter(name="*", group=DATA)]
Run = Annotated[RunOptions, Parameter(name="*", group=RUN)]

Runs = Annotated[tuple[Path, ...], Parameter(help="Folders of runs, or folders above them.")]
Methods = Annotated[
    tuple[str, ...], Parameter(help=f"One or several of {', '.join(METHODS)} (see `sepm methods`).")
]
AsJson = Annotated[bool, Parameter(name="--json", help="Print the result as JSON.")]


@dataclass(frozen=True, kw_only=True)
class PresetOptions:
    """A preset; subclasses have an option for each setting that may differ from it."""

    preset: Annotated[
        str, Parameter(help=f"{', '.join(PRESETS)} (`sepm presets` shows their settings).")
    ] = DEFAULT_PRESET

    @property
    def config(self) -> MethodConfig:
        """The preset's configuration with the settings that were given put in.

        Raises:
            InputError: unknown preset, or a value out of its range.
        """
        return replace(get_preset(self.preset), **self.given)

    @property
    def given(self) -> dict[str, Any]:
        """The settings that were given, by their names."""
        options = {field.name: getattr(self, field.name, None) for field in fields(MethodConfig)}
        return {name: value for name, value in options.items() if value is not None}

    def runs(self, methods: Collection[str]) -> list[MethodRun]:
        """The runs of the methods named, each once, all with the same settings.

        A note tells of settings that were given and that make no difference to any of them.

        Raises:
            InputError: unknown method or preset, or a value out of its range.
        """
        config = self.config
        runs = [MethodRun(name, config, self.preset) for name in dict.fromkeys(methods)]
        for note in without_effect(runs, self.given):
            tell(note)
        return runs


def with_settings(*, without: Collection[str] = ()) -> Callable[[type[T]], type[T]]:
    """Decorator that adds an option for every field of `MethodConfig` but those left out.

    Each is None unless given; its help shows the default preset's value.
    """
    hints = get_type_hints(MethodConfig)
    texts = {p.arg_name: p.description or "" for p in parse_from_object(MethodConfig).params}

    def option(name: str) -> tuple[str, Any, Any]:
        text = f"{texts[name]} {_default(name)}".rstrip()
        parameter = Parameter(help=text, group=WORDING if name in WORDS else METHOD)
        return name, Annotated[hints[name] | None, parameter], field(default=None)

    def decorate(kind: type[T]) -> type[T]:
        options = [option(f.name) for f in fields(MethodConfig) if f.name not in without]
        whole = make_dataclass(kind.__name__, options, bases=(kind,), frozen=True, kw_only=True)
        whole.__module__ = kind.__module__  # else it is taken for one of Python's own
        return whole

    return decorate


def _default(setting: str) -> str:
    value = getattr(PRESETS[DEFAULT_PRESET], setting)
    return "" if value is None else f"[default: {value}]"


@with_settings()
class MethodOptions(PresetOptions):
    """A preset, and settings that differ from it."""


Settings = Annotated[MethodOptions, Parameter(name="*", group=METHOD)]
