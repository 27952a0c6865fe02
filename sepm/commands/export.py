"""`sepm export`: runs as other tools write them, and on the hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sepm.commands.options import COMMAND, Runs
from sepm.datasets.files import write_whole
from sepm.errors import InputError
from sepm.terminal import show

if TYPE_CHECKING:
    from sepm.analysis.stored_run import StoredRun


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Which format, whose model, and where it goes."""

    format: Literal["lmms-eval", "every-eval-ever"] | None = None
    """Format that the runs are written in."""
    output: Path = Path("export")
    """Folder of the written files."""
    developer: str | None = None
    """Every Eval Ever: whose model it is, as in its hub id: liuhaotian."""
    organization: str = "unknown"
    """Every Eval Ever: who ran the evaluation."""
    push: str | None = None
    """Data set on the Hugging Face hub, USER/NAME, that gets the runs' folders."""
    public: bool = False
    """A data set that --push makes can be seen by everybody."""


def run(
    runs: Runs,
    /,
    *,
    options: Annotated[ExportOptions, Parameter(name="*", group=COMMAND)] = ExportOptions(),
) -> int:
    """Write runs as lmms-eval or Every Eval Ever do, or push them to the hub.

    Exit status 0: the files that were written and the address of the hub are told.
    """
    if options.format is None and options.push is None:
        raise InputError("nothing to do: give --format, --push or both")
    if options.format == "every-eval-ever" and options.developer is None:
        raise InputError("--format every-eval-ever needs --developer, as in a hub id: liuhaotian")
    from sepm.report.runs import read_run_groups

    found = [run for group in read_run_groups(runs) for run in group.runs]
    for path, text in _files(found, options).items():
        write_whole(options.output / path, text)
        show(str(options.output / path))
    if options.push is not None:
        from sepm.export.hub import push_runs

        show(push_runs(found, options.push, public=options.public))
    return 0


def _files(runs: list["StoredRun"], options: ExportOptions) -> dict[str, str]:
    """Texts of the files of the format that is asked for, by their paths."""
    from sepm.export.every_eval_ever import Origin, every_eval_ever_files
    from sepm.export.lmms_eval import lmms_eval_files

    if options.format == "lmms-eval":
        return lmms_eval_files(runs)
    files: dict[str, str] = {}
    if options.format == "every-eval-ever" and options.developer is not None:
        origin = Origin(developer=options.developer, organization=options.organization)
        for run in runs:
            files |= every_eval_ever_files(run, origin)
    return files
