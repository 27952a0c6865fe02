"""A finished or cut-off run as its folder holds it, checked before anybody believes it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Any

import msgspec
from msgspec import Struct

from sepm.analysis.accuracy import accuracy_of
from sepm.analysis.metrics import summarize
from sepm.analysis.paper_values import PaperValue, paper_value
from sepm.analysis.reported_elsewhere import ReportedValue, reported_value
from sepm.errors import InputError, require_known
from sepm.method.config import PRESETS, MethodConfig
from sepm.method.taxonomy import Taxonomy
from sepm.progress import tell
from sepm.records.folder import ACCURACY, IDENTITY, PREDICTIONS, read_json, row_files
from sepm.records.geometry import TokenPlaces, VisualGrid
from sepm.records.reading import read_records
from sepm.records.tiled_grid import token_places
from sepm.records.writing import Record


class MadeWith(Struct, frozen=True, kw_only=True):
    """Names and settings that a stored result was made with.

    Raises ValueError unless the names are plain, there is such a preset, and every setting of a
    method is there, of its type and in its range. Folders of figures are named after data set and
    model, so a foreign one must not hold a path.
    """

    dataset: str
    model: str
    preset: str
    configuration: dict[str, Any]

    def __post_init__(self) -> None:
        for kind, name in (("dataset", self.dataset), ("model", self.model)):
            if name in ("", ".", "..") or "\0" in name or PureWindowsPath(name).name != name:
                raise ValueError(f"{kind} {name!r} is no plain name, as a folder could have")
        require_known("preset", self.preset, PRESETS)
        names = [field.name for field in fields(MethodConfig)]
        if missing := [name for name in names if name not in self.configuration]:
            raise ValueError(f"configuration lacks {', '.join(missing)}")
        msgspec.convert({name: self.configuration[name] for name in names}, MethodConfig)


class RunFacts(MadeWith, frozen=True, kw_only=True):
    """Fields of `accuracy.json` that are read back; the numbers are not, but computed again."""

    method: str
    sha256: dict[str, Any]
    taxonomy: Taxonomy | None = None
    limit: int | None = None
    visual_tokens: dict[str, Any] | None = None
    prompt_format: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    timing: dict[str, float | None] | None = None
    machines: list[dict[str, str]] | None = None


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run and its rows; every number is computed from these."""

    folder: Path
    facts: dict[str, Any]
    """`accuracy.json`, or what was written before the first row where the run was cut off."""
    records: Sequence[Record]
    known_taxonomy: Taxonomy | None = None
    """The task's classes; None where the run was cut off."""
    name: str = ""
    """Its folder's name: the method, and the settings that are not the preset's."""

    @property
    def taxonomy(self) -> Taxonomy:
        """The task's classes.

        Raises:
            InputError: the run was cut off before it had stored them.
        """
        if self.known_taxonomy is None:
            path = self.folder / ACCURACY
            raise InputError(f"{path}: no taxonomy in it; run it again with --overwrite")
        return self.known_taxonomy

    @property
    def dataset(self) -> str:
        return self.facts["dataset"]

    @property
    def model(self) -> str:
        return self.facts["model"]

    @property
    def method(self) -> str:
        return self.facts["method"]

    @property
    def configuration(self) -> dict[str, Any]:
        return self.facts["configuration"]

    def fact(self, part: str, name: str) -> Any:
        """A fact of "environment" or "timing"; None where the run does not tell it."""
        return (self.facts.get(part) or {}).get(name)

    @property
    def written_at(self) -> int:
        """Seconds since 1970 at which the finished run's results were written."""
        return int((self.folder / ACCURACY).stat().st_mtime)

    @property
    def is_default(self) -> bool:
        """Whether α, β and whatever else names a folder are the preset's."""
        return self.name in (self.method, f"{self.method}-{self.facts['preset']}")

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
    def grid(self) -> VisualGrid | None:
        """The grid of visual tokens that all its images share; None where it tells none.

        Raises:
            ValueError: a field of the grid is missing or has no such value.
        """
        stored = self.facts.get("visual_tokens")
        return VisualGrid.from_facts(stored) if stored else None

    def token_places(self, record: Record) -> TokenPlaces | None:
        """Places of the visual tokens of one of its images; None where they are not known."""
        return token_places(self.facts.get("visual_tokens"), record)

    @property
    def paper(self) -> PaperValue | None:
        """The paper's accuracy for such a run."""
        return paper_value(*self._made, accuracy_of(self.records).n)

    @property
    def reported_elsewhere(self) -> ReportedValue | None:
        """The accuracy that others report for such a run."""
        return reported_value(*self._made)

    @property
    def _made(self) -> tuple[str, str, str, dict[str, Any]]:
        return self.dataset, self.model, self.method, self.configuration


def read_run(folder: Path) -> StoredRun:
    """The run in a folder.

    Raises:
        InputError: it holds none, or a file or a row cannot be believed.
    """
    files = row_files(folder)
    path = next((p for p in (folder / ACCURACY, folder / IDENTITY) if p.exists()), None)
    if not files or path is None:
        raise InputError(
            f"{folder} holds no run: a run's folder has {PREDICTIONS} and {ACCURACY}, as "
            "results/emoset/llava-v1.5-7b/sepm"
        )
    facts = read_json(path)
    try:
        taxonomy = msgspec.convert(facts, RunFacts).taxonomy
    except ValueError as error:
        raise InputError(
            f"{path}: not of a run of this version ({error}); run it again with --overwrite"
        ) from error
    try:
        records = list(read_records(files, taxonomy, run=facts).values())
    except InputError as error:
        raise InputError(f"{error}\nWhat the rows must agree with is in {path}") from error
    _tell_contradictions(path, facts, records)
    return StoredRun(folder, facts, records, taxonomy, folder.resolve().name)


def _tell_contradictions(path: Path, facts: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Say where stored counts are not those of the rows, which alone are shown."""
    accuracy = accuracy_of(records)
    counted = asdict(accuracy) | {"accuracy": accuracy.fraction}
    for name, value in counted.items():
        if facts.get(name, value) != value:
            tell(f"{path}: {name} is {facts[name]!r} there, {value} by the rows, which count")
