"""`sepm questions`: a data set as unpacked, made into a question file with its manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sepm.commands.options import AsJson
from sepm.datasets.locations import require_data
from sepm.datasets.make_question_file import make_question_file, manifest_path
from sepm.datasets.readers import READERS
from sepm.terminal import show_result


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """Options of single readers, which have the defaults."""

    split: str | None = None
    """emoset, webemo: train, val or test [test], or a list's file; emotion6: a list of images
    [all]; hub: a word in the files' paths [all]."""
    label: str | None = None
    """emotion6: what the label comes from, folder or votes [folder]."""
    ties: str | None = None
    """abstract, emotion6 by votes: the first of tied classes is the label, or drop: the image is
    left out, or any: each of them counts as correct [first]."""
    taxonomy: str | None = None
    """folder, hub: whose classes folders or labels are named by, a task or a taxonomy file."""
    repo: str | None = None
    """hub: data set of the hub, OWNER/NAME."""
    revision: str | None = None
    """hub: commit of the data set, 40 digits."""
    parquet: str | None = None
    """hub: folder of parquet files, instead of --repo."""
    image_column: str | None = None
    """hub: column of the images [image]."""
    label_column: str | None = None
    """hub: column of the labels [label]."""
    label_names: tuple[str, ...] | None = None
    """hub: names of the labels 0, 1, … in order, or VALUE=CLASS for each that is no class [what the
    files declare]."""
    match_folder: str | None = None
    """hub: folder of another copy of the images, which are taken from there where they are the same
    to the byte."""


def run(
    task: Annotated[str, Parameter(help=f"One of {', '.join(READERS)}.")],
    /,
    *,
    root: Annotated[
        Path, Parameter(help="Folder of the unpacked data set; of hub, where its images go.")
    ],
    output: Annotated[Path, Parameter(help="Question file to write (.jsonl).")],
    options: Annotated[ReaderOptions, Parameter(name="*", group="Data set")] = ReaderOptions(),
    as_json: AsJson = False,
) -> int:
    """Write a data set's question file, and a manifest beside it.

    Exit status 0; what is wrong with the data is raised as InputError.
    """
    require_data(task, root)
    given = {name: value for name, value in vars(options).items() if value is not None}
    manifest = make_question_file(task, root, given, output)
    show_result(manifest, as_text(manifest), as_json=as_json)
    return 0


def as_text(manifest: dict[str, Any]) -> str:
    """The manifest as a researcher reads it."""
    options = ", ".join(
        f"{name.replace('_', ' ')} {value if isinstance(value, str) else ' '.join(value)}"
        for name, value in manifest["options"].items()
        if value
    )
    grades = ", ".join(f"{choice} {grade}" for choice, grade in manifest["taxonomy_grades"].items())
    output = manifest["question_file"]
    beside = manifest_path(Path(output))
    return "\n".join(
        [
            f"{output}: {manifest['n']} questions of {manifest['reader']}"
            f"{f' ({options})' if options else ''}",
            *([f"manifest: {beside}"] if beside.is_file() else []),
            *(f"  {name:<16} {n:>7}" for name, n in manifest["classes"].items()),
            *(f"{name.replace('_', ' ')}: {n}" for name, n in manifest["counts"].items()),
            f"class table: {grades}",
            *(f"NOTE {note}" for note in manifest["notes"]),
            f"next: sepm check --dataset {manifest['dataset']} --question-file {output} "
            f"--image-folder {manifest['image_folder']}",
        ]
    )
