"""Runs as figures and pages see them: folders with `accuracy.json` and `predictions.jsonl`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, count, groupby
from pathlib import Path
from typing import Any

from sepm.analysis.metrics import summarize
from sepm.analysis.paper import PaperValue, paper_value
from sepm.errors import InputError
from sepm.evaluation.run_folder import ACCURACY, PREDICTIONS
from sepm.method.taxonomy import Taxonomy
from sepm.progress import tell
from sepm.records import stored_run
from sepm.records.record import Record
from sepm.records.stored_run import StoredRun
from sepm.report.geometry import VisualGrid
from sepm.report.sweeps import Sweep, read_sweeps


@dataclass(frozen=True, eq=False)
class Run:
    """One run; every number is computed from its records."""

    name: str
    """Its folder's name: the method, and the settings that are not the preset's."""
    stored: StoredRun
    """Its records sorted by question id, so that the order of computing does not show."""
    taxonomy: Taxonomy

    @property
    def described(self) -> dict[str, Any]:
        """What `accuracy.json` says of the run's making: configuration, environment, hashes."""
        return self.stored.facts

    @property
    def records(self) -> Sequence[Record]:
        return self.stored.records

    @property
    def dataset(self) -> str:
        return self.described["dataset"]

    @property
    def model(self) -> str:
        return self.described["model"]

    @property
    def method(self) -> str:
        return self.described["method"]

    @property
    def configuration(self) -> dict[str, Any]:
        return self.described["configuration"]

    @property
    def grid(self) -> VisualGrid | None:
        """Where visual tokens lie; None where the run does not say."""
        stored = self.described.get("visual_tokens")
        return VisualGrid.of(stored) if stored else None

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Its numbers, as `accuracy.json` has them."""
        return summarize(self.records, self.taxonomy)

    @cached_property
    def by_id(self) -> dict[str, Record]:
        """Its records by question id."""
        return {r["question_id"]: r for r in self.records}

    @property
    def staged(self) -> list[Record]:
        """Records with a coarse stage."""
        return [r for r in self.records if "coarse" in r]

    @property
    def scored(self) -> list[Record]:
        """Records with FoE scores (`--save-scores`)."""
        return [r for r in self.records if "foe_scores" in r]

    @property
    def paper(self) -> PaperValue | None:
        """The paper's accuracy for such a run."""
        made = (self.dataset, self.model, self.method, self.configuration)
        return paper_value(*made, self.summary["n"])

    @property
    def is_default(self) -> bool:
        """Whether α, β and whatever else names a folder are the preset's."""
        preset = self.described["preset"]
        return self.name in (self.method, f"{self.method}-{preset}")


@dataclass(frozen=True)
class RunGroup:
    """The runs of one model on one data set: what may be compared."""

    dataset: str
    model: str
    runs: tuple[Run, ...]
    sweeps: tuple[Sweep, ...] = ()
    """What `sepm sensitivity` wrote."""

    @property
    def taxonomy(self) -> Taxonomy:
        return self.runs[0].taxonomy

    @property
    def answered(self) -> list[Run]:
        """The runs that have more than errors."""
        return [run for run in self.runs if run.summary["n"]]

    def first(self, method: str) -> Run | None:
        """The method's run with default settings, else its first; None: the method was not run."""
        runs = [run for run in self.answered if run.method == method]
        runs.sort(key=lambda run: not run.is_default)
        return runs[0] if runs else None

    @property
    def compared(self) -> tuple[Run, Run] | None:
        """Zero-shot and SEPM; without them the first two runs; None where there is one run only."""
        reference, other = self.first("zero-shot"), self.first("sepm")
        if reference is not None and other is not None:
            return reference, other
        return (self.answered[0], self.answered[1]) if len(self.answered) > 1 else None


def read_run_groups(folders: Sequence[Path]) -> list[RunGroup]:
    """All runs in and below some folders, by data set and model; what is left out is told.

    Raises:
        InputError: a folder holds no finished run, or one that cannot be believed, or two runs of
            one data set and model have different classes.
    """
    found = {path.resolve(): path for folder in folders for path in run_folders(folder)}
    runs = [read_run(path) for path in found.values()]
    runs.sort(key=lambda run: (run.dataset, run.model))  # stable: as given within a group
    grouped = groupby(runs, key=lambda run: (run.dataset, run.model))
    groups = [RunGroup(dataset, model, _named(group)) for (dataset, model), group in grouped]
    sweeps = [sweep for folder in folders for sweep in read_sweeps(folder)]
    for sweep in sweeps:
        if not any((sweep.dataset, sweep.model) == (g.dataset, g.model) for g in groups):
            tell(f"{sweep.path} is left out: no run of {sweep.model} on {sweep.dataset} is here")
    for group in groups:
        _check_group(group)
    return [
        replace(
            group,
            sweeps=tuple(s for s in sweeps if (s.dataset, s.model) == (group.dataset, group.model)),
        )
        for group in groups
    ]


def run_folders(folder: Path) -> list[Path]:
    """The folder itself, if it is a run's, else all below that are, zero-shot first.

    Runs that were cut off before their first results are told.

    Raises:
        InputError: there is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    names = (ACCURACY, PREDICTIONS)
    inside: list[Path] = []
    for path in sorted({found.parent for name in names for found in folder.rglob(name)}):
        absent = [name for name in names if not (path / name).exists()]
        if absent:
            tell(f"{path} is left out: no {absent[0]}; the same sepm eval command finishes the run")
        else:
            inside.append(path)
    if not inside:
        raise InputError(
            f"{folder} holds no finished run ({ACCURACY} beside {PREDICTIONS}); "
            "sepm eval writes them below its --output-dir"
        )
    return sorted(inside, key=lambda path: (path.parent, not path.name.startswith("zero"), path))


def read_run(folder: Path) -> Run:
    """The run of a folder.

    Raises:
        InputError: a file or a row cannot be believed.
    """
    stored = stored_run.read_run(folder)
    if stored.taxonomy is None:
        raise InputError(f"{folder / ACCURACY}: no taxonomy in it; run it again with --overwrite")
    ordered = sorted(stored.records, key=lambda r: r["question_id"])
    run = Run(folder.resolve().name, replace(stored, records=ordered), stored.taxonomy)
    try:
        grid = run.grid
    except ValueError as error:
        raise InputError(f"{folder / ACCURACY}: {error}") from error
    if grid is not None:
        _check_tokens(run, grid.num_tokens)
    return run


def _check_tokens(run: Run, most: int) -> None:
    """Raise InputError where a row tells of visual tokens that the run's grid has not."""
    for record in run.records:
        scores, dropped = record.get("foe_scores", ()), record.get("dropped", ())
        if (scores and len(scores) != most) or max(dropped, default=0) >= most:
            raise InputError(
                f"{run.stored.folder / PREDICTIONS}: question_id '{record['question_id']}' has "
                f"scores or dropped tokens beyond the {most} visual tokens of {ACCURACY}"
            )


def _check_group(group: RunGroup) -> None:
    """See that the classes are the same, and tell of runs without any answer.

    Raises:
        InputError: they are not.
    """
    for run in group.runs:
        if run.taxonomy.classes != group.taxonomy.classes:
            raise InputError(
                f"{run.stored.folder} and {group.runs[0].stored.folder} are both called "
                f"{group.dataset} and have different classes; give them one at a time"
            )
        if run not in group.answered:
            tell(f"{run.stored.folder} has errors alone: it stands in tables and in no figure")


def _named(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The runs, those of one name told apart by a number."""
    named: dict[str, Run] = {}
    for run in runs:
        again = (f"{run.name} ({number})" for number in count(2))
        name = next(name for name in chain([run.name], again) if name not in named)
        named[name] = replace(run, name=name)
    return tuple(named.values())


def labels(runs: Sequence[Run], besides: str | None = None) -> list[str]:
    """Each run's method with the settings that tell it from the other runs.

    Args:
        runs: what to tell apart.
        besides: a setting that is left out.
    """
    settings = runs[0].configuration.keys() - {besides, "save_scores"} if runs else set[str]()
    apart = sorted(k for k in settings if len({repr(r.configuration[k]) for r in runs}) > 1)
    return [
        ", ".join([run.method, *(f"{key} {run.configuration[key]}" for key in apart)])
        for run in runs
    ]
