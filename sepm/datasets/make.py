"""From a data set on disk to a question file and the manifest that says how it was made."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sepm.datasets.files import file_sha256, write_whole
from sepm.datasets.question_file import write_questions
from sepm.datasets.readers import READERS, Reader
from sepm.datasets.reading import Reading
from sepm.datasets.tasks import grades, load_taxonomy
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy


@dataclass(frozen=True)
class Made:
    """A data set as read, with all that decided how."""

    task: str
    root: Path
    options: dict[str, str | None]
    """Every option that the reader knows, defaults included."""
    dataset: str
    """Bundled task or taxonomy file whose classes are the labels."""
    taxonomy: Taxonomy
    reading: Reading


def read_task(task: str, root: Path, given: Mapping[str, str]) -> Made:
    """A data set as read with the options that the user gave.

    Raises:
        InputError: unknown task, an option that the task does not know, or data that is wrong.
    """
    if task not in READERS:
        raise InputError(unknown_name("task", task, READERS))
    reader = READERS[task]
    for option in given:
        if option not in reader.options:
            known = ", ".join(f"--{name}" for name in reader.options) or "none"
            raise InputError(f"--{option} is no option of {task}; its options: {known}")
    options = {**reader.options, **given}
    dataset = options.get("taxonomy", task)
    if dataset is None:
        raise InputError(f"{task} needs --taxonomy: a bundled task or a taxonomy file (*.toml)")
    taxonomy = load_taxonomy(dataset)
    arguments = {name: value for name, value in options.items() if name != "taxonomy"}
    reading = reader.read(root, taxonomy, **arguments)
    if not reading.questions:
        raise InputError(f"{root}: no question could be made of it")
    return Made(task, root, {**options, **reading.options}, dataset, taxonomy, reading)


def write_made(made: Made, output: Path) -> dict[str, Any]:
    """The manifest, after it and the question file were written; beside a pipe it is not.

    Raises:
        InputError: a file cannot be written.
    """
    manifest = _manifest(made, output, write_questions(output, made.reading.questions))
    if output.is_file():  # else a pipe or device, which has no folder
        text = json.dumps(manifest, ensure_ascii=False, indent=2)
        write_whole(manifest_path(output), text + "\n")
    return manifest


def manifest_path(output: Path) -> Path:
    """Where the manifest lies: `stage_1.manifest.json` beside `stage_1.jsonl`."""
    return output.with_name(f"{output.stem}.manifest.json")


def paper_note(reader: Reader, n: int) -> str | None:
    """What to say where n is not what the paper's decimals imply, or None."""
    if reader.paper_n is not None and n != reader.paper_n:
        return f"n is {n}; every accuracy in the paper fits n = {reader.paper_n}"
    if reader.paper_n_at_least is not None and n < reader.paper_n_at_least:
        return f"n is {n}; the paper's accuracies exclude any n below {reader.paper_n_at_least}"
    return None


def _manifest(made: Made, output: Path, sha256: str) -> dict[str, Any]:
    reading, reader = made.reading, READERS[made.task]
    n = len(reading.questions)
    per_class = Counter(question.label for question in reading.questions)
    note = paper_note(reader, n)
    return {
        "question_file": str(output),
        "question_file_sha256": sha256,
        "reader": made.task,
        "root": str(made.root),
        "image_folder": str(reading.image_folder),
        "options": made.options,
        "dataset": made.dataset,
        "taxonomy_grades": grades(made.dataset),
        "n": n,
        "classes": {name: per_class[name] for name in made.taxonomy.names},
        "counts": reading.counts,
        "inputs": {str(path): file_sha256(path) for path in reading.inputs},
        "paper": {
            "n": reader.paper_n,
            "n_at_least": reader.paper_n_at_least,
            "differs": None if reader.paper_n is None else n != reader.paper_n,
        },
        "notes": [*([note] if note else []), *reading.notes],
    }
