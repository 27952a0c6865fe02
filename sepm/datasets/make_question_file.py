"""Making of a question file, and of the manifest that says how it was made."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sepm.datasets.files import file_sha256, write_whole
from sepm.datasets.question_file import write_questions
from sepm.datasets.reader_parts import Reading
from sepm.datasets.readers import READERS, Option, Reader
from sepm.datasets.tasks import grades, load_taxonomy
from sepm.errors import InputError, require_known


def make_question_file(
    task: str, root: Path, given: Mapping[str, Option], output: Path
) -> dict[str, Any]:
    """The manifest, after it and the question file were written; beside a pipe it is not.

    Args:
        task: name of a reader.
        root: folder of the unpacked data set.
        given: the reader's options that differ from its defaults.

    Raises:
        InputError: unknown task, an option that the task does not know, data that is wrong, or a
            file that cannot be written.
    """
    options = _all_options(task, given)
    dataset = options.get("taxonomy", task)
    if not isinstance(dataset, str):
        raise InputError(f"{task} needs --taxonomy: a bundled task or a taxonomy file (*.toml)")
    taxonomy = load_taxonomy(dataset)
    arguments = {name: value for name, value in options.items() if name != "taxonomy"}
    reading = READERS[task].read(root, taxonomy, **arguments)
    if not reading.questions:
        raise InputError(f"{root}: no question could be made of it")
    per_class = Counter(question.label for question in reading.questions)
    manifest = {
        "question_file": str(output),
        "question_file_sha256": write_questions(output, reading.questions),
        "reader": task,
        "root": str(root),
        "image_folder": str(reading.image_folder),
        "options": {**options, **reading.options},
        "dataset": dataset,
        "taxonomy_grades": grades(dataset),
        "n": len(reading.questions),
        "classes": {name: per_class[name] for name in taxonomy.names},
        **_facts(reading, READERS[task]),
    }
    if output.is_file():  # else a pipe or device, which has no folder
        text = json.dumps(manifest, ensure_ascii=False, indent=2)
        write_whole(manifest_path(output), text + "\n")
    return manifest


def manifest_path(output: Path) -> Path:
    """Path of the manifest: `stage_1.manifest.json` beside `stage_1.jsonl`."""
    return output.with_name(f"{output.stem}.manifest.json")


def paper_note(reader: Reader, n: int) -> str | None:
    """Remark on an n that the paper's decimals exclude, or None."""
    if reader.paper_n is not None and n != reader.paper_n:
        return f"n is {n}; every accuracy in the paper fits n = {reader.paper_n}"
    if reader.paper_n_at_least is not None and n < reader.paper_n_at_least:
        return f"n is {n}; the paper's accuracies exclude any n below {reader.paper_n_at_least}"
    return None


def _all_options(task: str, given: Mapping[str, Option]) -> dict[str, Option]:
    """The options that were given, and the reader's defaults for the others."""
    require_known("task", task, READERS)
    defaults = READERS[task].options
    for option in given:
        if option not in defaults:
            known = ", ".join(map(_as_given, defaults)) or "none"
            raise InputError(f"{_as_given(option)} is no option of {task}; its options: {known}")
    return {**defaults, **given}


def _as_given(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _facts(reading: Reading, reader: Reader) -> dict[str, Any]:
    """Counts, files read, the paper's n and notes, as the manifest has them."""
    n = len(reading.questions)
    note = paper_note(reader, n)
    return {
        "counts": reading.counts,
        "inputs": {str(path): file_sha256(path) for path in reading.inputs},
        "paper": {
            "n": reader.paper_n,
            "n_at_least": reader.paper_n_at_least,
            "differs": None if reader.paper_n is None else n != reader.paper_n,
        },
        "notes": [*([note] if note else []), *reading.notes],
    }
