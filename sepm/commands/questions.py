"""`sepm questions`: a data set as unpacked, made into a question file with its manifest."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from sepm.commands.dataclass_options import add_options, given_options
from sepm.datasets.locations import require_data
from sepm.datasets.make_question_file import make_question_file, manifest_path
from sepm.datasets.readers import READERS
from sepm.terminal import show_result


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """Options of single readers, which have the defaults."""

    split: Annotated[
        str,
        "emoset, webemo: a split by name [test] or a list; emotion6: a list of images [all]",
        "train|val|test|FILE",
    ]
    label: Annotated[str, "emotion6: what the label comes from [folder]", "folder|votes"]
    ties: Annotated[
        str,
        "abstract, emotion6 by votes: the first of tied classes is the label, the image is left "
        "out, or any of them counts as correct [first]",
        "first|drop|any",
    ]
    taxonomy: Annotated[str, "folder: whose classes folders are named by", "TASK|FILE.toml"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help=f"one of {', '.join(READERS)}")
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="folder of the unpacked data set"
    )
    add_options(parser, ReaderOptions, optional=True)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="question file to write (.jsonl)"
    )
    parser.add_argument("--json", action="store_true", help="print the manifest")


def run(args: argparse.Namespace) -> int:
    """Exit status 0; what is wrong with the data is raised as InputError."""
    require_data(args.task, args.root)
    options = given_options(args, ReaderOptions)
    manifest = make_question_file(args.task, args.root, options, args.output)
    show_result(manifest, as_text(manifest), as_json=args.json)
    return 0


def as_text(manifest: dict[str, Any]) -> str:
    """The manifest as a researcher reads it."""
    options = ", ".join(f"{k} {v}" for k, v in manifest["options"].items() if v is not None)
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
