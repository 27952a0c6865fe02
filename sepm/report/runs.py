"""Runs for figures and pages, found in folders and grouped by data set and model."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, groupby
from pathlib import Path

from sepm.analysis import stored_run
from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError
from sepm.evaluation.run_folder import ACCURACY, PREDICTIONS
from sepm.method.taxonomy import Taxonomy
from sepm.progress import tell
from sepm.report.sweeps import Sweep, read_sweeps


@dataclass(frozen=True)
class RunGroup:
    """The runs of one model on one data set: what may be compared."""

    dataset: str
    model: str
    runs: tuple[StoredRun, ...]
    sweeps: tuple[Sweep, ...] = ()
    """Results of `sepm sensitivity`."""

    @property
    def taxonomy(self) -> Taxonomy:
        return self.runs[0].taxonomy

    @property
    def answered(self) -> list[StoredRun]:
        """The runs that have more than errors."""
        return [run for run in self.runs if run.summary["n"]]

    @property
    def compared(self) -> tuple[StoredRun, StoredRun] | None:
        """Zero-shot and SEPM, each with default settings if such a run is there.

        Without them the first two runs; None where there is one run only.
        """
        default_first = sorted(self.answered, key=lambda run: not run.is_default)
        by_method = {run.method: run for run in reversed(default_first)}
        if {"zero-shot", "sepm"} <= by_method.keys():
            return by_method["zero-shot"], by_method["sepm"]
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
    sweeps: dict[tuple[str, str], list[Sweep]] = defaultdict(list)
    for sweep in chain.from_iterable(map(read_sweeps, folders)):
        sweeps[sweep.dataset, sweep.model].append(sweep)
    groups = [
        RunGroup(*key, _named(group), tuple(sweeps.pop(key, ())))
        for key, group in groupby(runs, key=lambda run: (run.dataset, run.model))
    ]
    for sweep in chain.from_iterable(sweeps.values()):
        tell(f"{sweep.path} is left out: no run of {sweep.model} on {sweep.dataset} is here")
    for group in groups:
        _check_group(group)
    return groups


def run_folders(folder: Path) -> list[Path]:
    """The folder itself, if it is a run's, else all below that are, zero-shot first.

    Runs that were cut off before their first results are told.

    Raises:
        InputError: there is none.
    """
    if not folder.is_dir():
        raise InputError(f"no run: {folder} is no folder; give a run's folder, or one above it")
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


def read_run(folder: Path) -> StoredRun:
    """The run of a folder.

    Raises:
        InputError: a file or a row cannot be believed.
    """
    run = stored_run.read_run(folder)
    run = replace(run, records=sorted(run.records, key=lambda r: r["question_id"]))
    try:
        grid = run.grid
    except ValueError as error:
        raise InputError(f"{folder / ACCURACY}: {error}") from error
    if grid is not None:
        _check_tokens(run, grid.num_tokens)
    return run


def _check_tokens(run: StoredRun, most: int) -> None:
    """Raise InputError where a row tells of visual tokens that the run's grid has not."""
    for record in run.records:
        scores, dropped = record.get("foe_scores", ()), record.get("dropped", ())
        if (scores and len(scores) != most) or max(dropped, default=0) >= most:
            raise InputError(
                f"{run.folder / PREDICTIONS}: question_id '{record['question_id']}' has "
                f"scores or dropped tokens beyond the {most} visual tokens of {ACCURACY}"
            )


def _check_group(group: RunGroup) -> None:
    """Raise InputError unless the classes are the same; tell of runs without any answer."""
    for run in group.runs:
        if run.taxonomy.classes != group.taxonomy.classes:
            raise InputError(
                f"{run.folder} and {group.runs[0].folder} are both called "
                f"{group.dataset} and have different classes; give them one at a time"
            )
        if run not in group.answered:
            tell(f"{run.folder} has errors alone: it stands in tables and in no figure")


def _named(runs: Iterable[StoredRun]) -> tuple[StoredRun, ...]:
    """The runs, those of one name told apart by a number."""
    named: dict[str, StoredRun] = {}
    for run in runs:
        again = (f"{run.name} ({number})" for number in count(2))
        name = next(name for name in chain([run.name], again) if name not in named)
        named[name] = replace(run, name=name)
    return tuple(named.values())


def labels(runs: Sequence[StoredRun], besides: str | None = None) -> list[str]:
    """Each run's method with the settings, but for one, that tell it from the other runs."""
    settings = runs[0].configuration.keys() - {besides, "save_scores"} if runs else set[str]()
    differing = sorted(k for k in settings if len({repr(r.configuration[k]) for r in runs}) > 1)
    return [
        ", ".join([run.method, *(f"{key} {run.configuration[key]}" for key in differing)])
        for run in runs
    ]
