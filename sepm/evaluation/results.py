"""What a run leaves behind: `accuracy.json` and the released code's files, from its records."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sepm.analysis.metrics import summarize
from sepm.analysis.paper import paper_value
from sepm.datasets.files import write_whole
from sepm.datasets.question_file import Question
from sepm.errors import InputError, RunError
from sepm.evaluation import run_folder
from sepm.evaluation.released_format import write_released_files
from sepm.method.taxonomy import Taxonomy
from sepm.records.reading import read_records
from sepm.records.record import as_line

MEASURED = ("timing", "environment", "visual_tokens", "prompt_format")
"""Fields of `accuracy.json` that only a command that computed something can tell."""


def write_results(
    folder: Path,
    identity: dict[str, Any],
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    measured: dict[str, Any],
) -> Path:
    """The `accuracy.json` written for the questions; the records on disk are all it is made from.

    Records that several processes wrote come into one file first.

    Args:
        folder: the run's.
        identity: what its rows depend on.
        questions: all of the run's; each has a record.
        taxonomy: the task's classes.
        measured: `limit` and the `MEASURED` fields of this command. Where it
            computed nothing, `timing` is None, and what an earlier command measured stays.

    Raises:
        RunError: the files cannot be written.
    """
    with _rows_are_kept():
        run_folder.merge_shards(folder, [q.question_id for q in questions])
        by_id = read_records([folder / run_folder.PREDICTIONS], taxonomy, run=identity)
        records = [by_id[q.question_id] for q in questions]
        if len(by_id) > len(records):  # images that failed under a larger --limit
            write_whole(folder / run_folder.PREDICTIONS, "".join(map(as_line, records)))
    earlier = run_folder.earlier_accuracy(folder)
    summary = summarize(records, taxonomy)
    if measured["timing"] is None:
        measured = measured | {key: earlier[key] for key in MEASURED if key in earlier}
    content = {
        **{key: value for key, value in identity.items() if key != "sha256"},
        "limit": measured["limit"],
        **summary,
        **{key: measured[key] for key in MEASURED},
        "taxonomy": asdict(taxonomy),
        "sha256": identity["sha256"],
    }
    made = (taxonomy.name, identity["model"], identity["method"], identity["configuration"])
    value = paper_value(*made, summary["n"])
    if value is not None and summary["accuracy"] is not None:
        content["paper"] = value.beside(summary["accuracy"])
    path = folder / run_folder.ACCURACY
    with _rows_are_kept():
        write_released_files(folder, questions, records, taxonomy, identity["model"])
        write_whole(path, run_folder.as_json(content))
    return path


@contextmanager
def _rows_are_kept() -> Iterator[None]:
    """Within it, files that cannot be written are an error of a run, whose rows are there."""
    try:
        yield
    except InputError as error:
        raise RunError(f"{error}. The rows are kept; the same command sums them up") from error
