"""Results of a run: `accuracy.json` and the released code's files, from its records."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sepm.analysis.metrics import summarize
from sepm.analysis.paper_values import paper_value
from sepm.analysis.reported_elsewhere import reported_value
from sepm.datasets.files import write_whole
from sepm.errors import InputError, RunError
from sepm.evaluation import run_folder
from sepm.evaluation.plan import PlannedRun
from sepm.evaluation.released_format import write_released_files
from sepm.method.taxonomy import Taxonomy
from sepm.records.folder import ACCURACY, PREDICTIONS, as_json, read_json
from sepm.records.reading import read_records
from sepm.records.writing import Record, as_line


@dataclass(frozen=True)
class Measured:
    """Fields of `accuracy.json` that only a command that computed something can tell."""

    timing: dict[str, Any] | None
    """None: this command computed none of the run's rows; what an earlier one measured stays."""
    environment: dict[str, Any]
    visual_tokens: dict[str, Any] | None
    prompt_format: dict[str, Any] | None
    rendered_prompts: dict[str, str] | None = None
    """The first prompt of each stage as the model reads it, a placeholder for the image."""


def write_results(plan: PlannedRun, taxonomy: Taxonomy, measured: Measured) -> None:
    """Write a run's `accuracy.json`; the records on disk are all it is made from.

    Records that several processes wrote come into one file first.

    Raises:
        RunError: the files cannot be written.
    """
    folder, identity = plan.folder, plan.identity
    records = _joined_records(plan, taxonomy)
    summary, fields = summarize(records, taxonomy), asdict(measured)
    if measured.timing is None:
        earlier = read_json(folder / ACCURACY)
        fields |= {name: earlier[name] for name in fields if name in earlier}
    content = {
        **{key: value for key, value in identity.items() if key != "sha256"},
        "limit": plan.limit,
        **summary,
        **fields,
        "taxonomy": asdict(taxonomy),
        "sha256": identity["sha256"],
    }
    made = (taxonomy.name, identity["model"], identity["method"], identity["configuration"])
    value = paper_value(*made, summary["n"])
    if value is not None and summary["accuracy"] is not None:
        content["paper"] = value.beside(summary["accuracy"])
    others = reported_value(*made)
    if others is not None and summary["accuracy"] is not None:
        content["reported_elsewhere"] = others.beside(summary["accuracy"], summary["n"])
    with _rows_are_kept():
        write_released_files(folder, plan.covered, records, taxonomy, identity["model"])
        write_whole(folder / ACCURACY, as_json(content))


def _joined_records(plan: PlannedRun, taxonomy: Taxonomy) -> list[Record]:
    """Records of all processes, in one file by now, in the order of the run's questions."""
    path, wanted = plan.folder / PREDICTIONS, [question.question_id for question in plan.covered]
    with _rows_are_kept():
        run_folder.merge_shards(plan.folder, wanted)
        by_id = read_records([path], taxonomy, run=plan.identity)
        records = run_folder.in_order(by_id, wanted)
        if len(by_id) > len(records):  # images that failed under a larger --limit
            write_whole(path, "".join(map(as_line, records)))
    return records


@contextmanager
def _rows_are_kept() -> Iterator[None]:
    """Within it, files that cannot be written are an error of a run, whose rows are there."""
    try:
        yield
    except InputError as error:
        raise RunError(f"{error}. The rows are kept; the same command sums them up") from error
