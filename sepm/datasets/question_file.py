"""Question files: one JSON object a line, the released code's own format (its labels included)."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from sepm.datasets.files import Problem, numbered_lines, raise_problems, write_whole
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy


@dataclass(frozen=True)
class Question:
    """One sample: an image and the emotion it is labelled with."""

    question_id: str
    """Unique in its file; "amusement/amusement_00000.jpg"."""
    image: str
    """Path of the image, relative to the image folder."""
    label: str
    """Class name."""
    text: str | None = None
    """Coarse query that the file brings along."""
    line: int = 0
    """Line of the file that it was read from, from 1; 0 where it came from a folder."""
    other_labels: tuple[str, ...] = ()
    """Class names tied with `label` that count as correct too (`--ties any`)."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Every class name that counts as correct, `label` first."""
        return (self.label, *self.other_labels)


def read_questions(path: Path, taxonomy: Taxonomy, image_folder: Path) -> list[Question]:
    """The questions of a file, in its order; images are located, not opened.

    Raises:
        InputError: something is wrong with the file or any row; all of it is told at once.
    """
    questions, problems = scan_questions(path, taxonomy, image_folder)
    raise_problems(problems)
    return questions


def scan_questions(
    path: Path, taxonomy: Taxonomy, image_folder: Path
) -> tuple[list[Question], list[Problem]]:
    """The questions of the good rows, and what is wrong with each of the others.

    Raises:
        InputError: the file cannot be read or holds no row, or there is no image folder.
    """
    if not image_folder.is_dir():
        raise InputError(f"image folder '{image_folder}' is not a folder")
    real_folder = os.path.realpath(image_folder)
    questions: list[Question] = []
    problems: list[Problem] = []
    first_lines: dict[str, int] = {}
    for line, text in numbered_lines(path):
        try:
            row = _row(text)
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
            continue
        faults = list(_faults(row, taxonomy, real_folder))
        question_id = row.get("question_id")
        if question_id and first_lines.setdefault(str(question_id), line) != line:
            first_line = first_lines[str(question_id)]
            faults.append(f"question_id '{question_id}' already stands on line {first_line}")
        problems.extend(Problem(path, line, fault) for fault in faults)
        if not faults:
            questions.append(_question(row, line))
    if not questions and not problems:
        raise InputError(f"{path}: no questions in it; `sepm questions` writes such a file")
    return questions, problems


def write_questions(path: Path, questions: Iterable[Question]) -> str:
    """SHA-256 of the question file that is written whole, replacing what was there.

    Raises:
        InputError: it cannot be written.
    """
    rows = (json.dumps(_as_row(question), ensure_ascii=False) for question in questions)
    content = "".join(f"{row}\n" for row in rows).encode()
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def _row(text: str) -> dict[str, Any]:
    """The row's JSON object.

    Raises:
        ValueError: it is none.
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error}); expected one JSON object a line") from error
    if not isinstance(row, dict):
        raise ValueError(f"a JSON {type(row).__name__}; expected one JSON object a line")
    return cast("dict[str, Any]", row)


def _faults(row: dict[str, Any], taxonomy: Taxonomy, real_folder: str) -> Iterator[str]:
    """Everything wrong with a row by itself."""
    wrong = [*_string_faults(row), *_categories_faults(row)]
    if wrong:
        yield from wrong
        return
    for label in dict.fromkeys((_label(row), *row.get("categories", ()))):
        if label not in taxonomy.names:
            yield (
                f"{unknown_name('class', label, taxonomy.names)} "
                "(as `category`, or before the first '/' of question_id)"
            )
    yield from _image_faults(row["image"], real_folder)


def _string_faults(row: dict[str, Any]) -> Iterator[str]:
    for field in ("question_id", "image", "text", "category"):
        required = field in ("question_id", "image")
        value = row.get(field)
        if required and field not in row:
            yield f"field '{field}' is missing; expected question_id and image in every row"
        elif not isinstance(value, str) and (required or value is not None):
            yield f"field '{field}' is {value!r:.60}; expected a string"
        elif required and not value:
            yield f"field '{field}' is empty"
        elif isinstance(value, str) and not _is_unicode(value):
            yield f"field '{field}' holds half a surrogate pair; expected Unicode text"


def _categories_faults(row: dict[str, Any]) -> Iterator[str]:
    if "categories" not in row:
        return
    values = row["categories"]
    if not isinstance(values, list) or not all(
        isinstance(value, str) for value in cast("list[Any]", values)
    ):
        yield f"field 'categories' is {values!r:.60}; expected a list of class names"
    elif values[:1] != [row.get("category")]:
        yield f"field 'categories' is {values!r:.60}; expected `category` to be the first of them"


def _image_faults(image: str, real_folder: str) -> Iterator[str]:
    if PurePosixPath(image).is_absolute() or PureWindowsPath(image).is_absolute():
        yield f"image '{image}' is absolute; expected a path relative to the image folder"
    elif "\0" in image:
        yield f"image {image!r} holds a null character; expected a path"
    elif not _inside(image, real_folder):
        yield (
            f"image '{image}' points outside the image folder '{real_folder}'; expected a file "
            "in it (give as --image-folder the folder that really holds the images)"
        )


def _inside(image: str, real_folder: str) -> bool:
    """Whether the path stays in the folder once `..` and symbolic links are followed."""
    target = os.path.realpath(os.path.join(real_folder, image))
    return os.path.commonpath([real_folder, target]) == real_folder


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _label(row: dict[str, Any]) -> str:
    """`category`, else the part of `question_id` before the first "/", as the released scorer."""
    return row.get("category") or row["question_id"].partition("/")[0]


def _question(row: dict[str, Any], line: int) -> Question:
    return Question(
        question_id=row["question_id"],
        image=row["image"],
        label=_label(row),
        text=row.get("text"),
        line=line,
        other_labels=tuple(row.get("categories", ())[1:]),
    )


def _as_row(question: Question) -> dict[str, Any]:
    row: dict[str, Any] = {"question_id": question.question_id, "image": question.image}
    if question.text is not None:
        row["text"] = question.text
    row["category"] = question.label
    if question.other_labels:
        row["categories"] = list(question.labels)
    return row
