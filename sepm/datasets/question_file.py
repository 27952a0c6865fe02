"""Question files: one JSON object a line, the released code's own format (its labels included)."""

import hashlib
import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from sepm.datasets.files import Problem, numbered_lines, raise_problems, read_content, write_whole
from sepm.datasets.tasks import composed, is_unicode
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy

MOST_CHARACTERS = 4096
"""Longest id, path or class name."""

MOST_VOTES = 1e9
"""Largest number of votes for a class."""


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
    votes: tuple[tuple[str, float], ...] = ()
    """Class names with their votes, in the order of the vote table; `sepm votes` reads them."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names that count as correct, `label` first."""
        return (self.label, *self.other_labels)


@dataclass(frozen=True)
class QuestionFile:
    """A question file's content, read once: it may be a pipe."""

    questions: list[Question]
    """Rows in the file's order."""
    taxonomy: Taxonomy
    """The classes that its labels are of."""
    sha256: str
    """Hash of the bytes that the questions were read from."""


def read_question_file(path: Path, taxonomy: Taxonomy, image_folder: Path) -> QuestionFile:
    """The content of a question file; images are located, not opened.

    Raises:
        InputError: something is wrong with the file or any row; all of it is told at once.
    """
    content = read_content(path)
    questions, problems = scan_questions(path, taxonomy, image_folder, content)
    raise_problems(problems)
    return QuestionFile(questions, taxonomy, hashlib.sha256(content).hexdigest())


def scan_questions(
    path: Path, taxonomy: Taxonomy, image_folder: Path, content: bytes | None = None
) -> tuple[list[Question], list[Problem]]:
    """The questions of the good rows, and what is wrong with each of the others.

    Args:
        image_folder: what the images' paths are relative to.
        content: the file's bytes where they have been read.

    Raises:
        InputError: the file cannot be read or holds no row, or there is no image folder.
    """
    if not image_folder.is_dir():
        raise InputError(f"image folder '{image_folder}' is not a folder")
    questions: list[Question] = []
    problems: list[Problem] = []
    first_lines: dict[Hashable, int] = {}
    for line, text in numbered_lines(path, content):
        try:
            row = _row(text)
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
            continue
        faults = list(_faults(row, taxonomy, image_folder))
        question_id = row.get("question_id")
        if question_id and (first := first_lines.setdefault(str(question_id), line)) != line:
            faults.append(f"question_id '{question_id}' already stands on line {first}")
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
    """The row's JSON object; raises ValueError where it is none, or holds a field twice."""
    try:
        row = json.loads(text, object_pairs_hook=_object)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON ({error}); expected one JSON object a line") from error
    if not isinstance(row, dict):
        raise ValueError(f"a JSON {type(row).__name__}; expected one JSON object a line")
    return cast("dict[str, Any]", row)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field, value in pairs:
        if field in row:
            raise ValueError(f"field {field!r:.60} stands twice in one object; expected it once")
        row[field] = value
    return row


def _faults(row: dict[str, Any], taxonomy: Taxonomy, image_folder: Path) -> Iterator[str]:
    """Faults of a row by itself."""
    wrong = [*_string_faults(row), *_categories_faults(row), *_votes_faults(row, taxonomy)]
    if wrong:
        yield from wrong
        return
    labels = _labels(row)
    for label in dict.fromkeys(labels):
        if label not in taxonomy.names:
            yield (
                f"{unknown_name('class', label, taxonomy.names)} "
                "(as `category`, or before the first '/' of question_id)"
            )
    named = _class_of_id(row)
    if named in taxonomy.names and named not in labels:
        yield (
            f"question_id '{row['question_id']}' begins with the class '{named}', which the "
            f"released scorer takes for the label, but `category` is '{labels[0]}'"
        )
    yield from image_faults(row["image"], image_folder)


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
        elif isinstance(value, str):
            yield from _text_faults(field, value)


def _text_faults(field: str, value: str) -> Iterator[str]:
    if not is_unicode(value):
        yield f"field '{field}' holds half a surrogate pair; expected Unicode text"
    if "\0" in value and field != "image":
        yield f"field '{field}' is {value!r:.60} and holds a null character"
    if field != "text" and len(value) > MOST_CHARACTERS:
        yield f"field '{field}' has {len(value):,} characters; expected at most {MOST_CHARACTERS:,}"


def _categories_faults(row: dict[str, Any]) -> Iterator[str]:
    if "categories" not in row:
        return
    values = row["categories"]
    if not isinstance(values, list) or not all(
        isinstance(value, str) and is_unicode(value) and len(value) <= MOST_CHARACTERS
        for value in cast("list[Any]", values)
    ):
        yield f"field 'categories' is {values!r:.60}; expected a list of class names"
    elif values[:1] != [row.get("category")]:
        yield f"field 'categories' is {values!r:.60}; expected `category` to be the first of them"


def _votes_faults(row: dict[str, Any], taxonomy: Taxonomy) -> Iterator[str]:
    """Reasons not to take `votes` for numbers of votes for classes, at least one of them given."""
    votes = row.get("votes")
    if votes is None:
        return
    if not isinstance(votes, dict):
        yield f"field 'votes' is {votes!r:.60}; expected the votes of each class"
        return
    votes = cast("dict[str, Any]", votes)
    for name, vote in votes.items():
        if composed(name) not in taxonomy.names:
            yield f"field 'votes': {unknown_name('class', name[:60], taxonomy.names)}"
        elif type(vote) not in (int, float) or not 0 <= vote <= MOST_VOTES:
            yield f"field 'votes' gives '{name}' {vote!r:.60}; expected a number of 0 or more"
    if len({composed(name) for name in votes}) < len(votes):
        yield "field 'votes' names a class twice, its accents written in two ways"
    if not any(votes.values()):
        yield "field 'votes' holds no vote; expected at least one, or no such field"


def image_faults(image: str, image_folder: str | Path) -> Iterator[str]:
    """Reasons not to take a path for an image of a folder: its name must stay in the folder.

    Links in the folder may lead anywhere, as those of the hub's cache do.
    """
    if PurePosixPath(image).is_absolute() or PureWindowsPath(image).is_absolute():
        yield f"image '{image}' is absolute; expected a path relative to the image folder"
    elif ".." in re.split(r"[/\\]", image):
        yield (
            f"image '{image}' points outside the image folder, or could, by '..'; expected a path "
            "down from it (give as --image-folder the folder that really holds the images)"
        )
    elif "\0" in image:
        yield f"image {image!r} holds a null character; expected a path"
    elif "\\" in image and not os.path.exists(os.path.join(image_folder, image)):
        yield f"image '{image}' is not there; expected '/' between folders, not '\\'"


def _labels(row: dict[str, Any]) -> list[str]:
    """`categories`, `category` or the class in `question_id`: the label and those tied with it."""
    label = row.get("category") or _class_of_id(row)
    return [composed(name) for name in row.get("categories", [label])]


def _class_of_id(row: dict[str, Any]) -> str:
    """The part of `question_id` before the first "/": the label, for the released scorer."""
    return composed(row["question_id"].partition("/")[0])


def _question(row: dict[str, Any], line: int) -> Question:
    label, *others = _labels(row)
    name, image, text = row["question_id"], row["image"], row.get("text")
    given: dict[str, float] = row.get("votes") or {}
    votes = tuple((composed(key), vote) for key, vote in given.items())
    return Question(name, image, label, text, line, tuple(others), votes)


def _as_row(question: Question) -> dict[str, Any]:
    row: dict[str, Any] = {"question_id": question.question_id, "image": question.image}
    if question.text is not None:
        row["text"] = question.text
    row["category"] = question.label
    if question.other_labels:
        row["categories"] = list(question.labels)
    if question.votes:
        row["votes"] = dict(question.votes)
    return row
