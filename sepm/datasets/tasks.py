"""Tasks by name: each is a taxonomy file, bundled here or the user's own."""

import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, cast

from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import POLARITIES, EmotionClass, Taxonomy
from sepm.progress import tell

TAXONOMY_FOLDER = Path(__file__).parent / "taxonomies"
CLASS_FIELDS = ("name", "option_text", "option_letter", "polarity")
CHOICES = ("order", "words", "polarity")
MOST_CLASSES = 26
GRADES = ("confirmed", "inferred", "guess")


def task_names() -> list[str]:
    """Names of the bundled tasks, sorted."""
    return sorted(path.stem for path in TAXONOMY_FOLDER.glob("*.toml"))


def composed(name: str) -> str:
    """The name of a class with its accents composed (NFC); macOS writes folders otherwise (NFD)."""
    return unicodedata.normalize("NFC", name)


def is_unicode(text: str) -> bool:
    """False for a text with half a surrogate pair, as in a file name that is no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def load_taxonomy(task: str) -> Taxonomy:
    """The taxonomy of a bundled task ("emoset") or of a file ("my_task.toml").

    A note tells, once, of a polarity with a single class.

    Raises:
        InputError: no such task or file, or the file is not a taxonomy.
    """
    path, table = _load(task)
    try:
        classes = tuple(
            EmotionClass(**{k: row[k] for k in CLASS_FIELDS}) for row in table["classes"]
        )
        taxonomy = Taxonomy(path.stem, table["title"], classes)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    _tell_single_classes(path, taxonomy)
    return taxonomy


@cache
def _tell_single_classes(path: Path, taxonomy: Taxonomy) -> None:
    for polarity in POLARITIES:
        if len(only := taxonomy.of_polarity(polarity)) == 1:
            tell(
                f"{path}: '{only[0].name}' is the only {polarity} class, so that a clear "
                f"{polarity} first answer leaves one option and the second query decides nothing; "
                "SEPM and CCI make sense with two classes or more of each polarity"
            )


def grades(task: str) -> dict[str, str]:
    """Grades of evidence for the order, the words and the polarity of a task's classes.

    Each is "confirmed" (read in a source), "inferred" (from several) or "guess" (nothing published
    settles it); the lowest grade of a single class counts.

    Raises:
        InputError: as `load_taxonomy`.
    """
    _, table = _load(task)
    return {choice: table.get(choice, table)["grade"] for choice in CHOICES}


def class_table(task: str) -> list[dict[str, Any]]:
    """Rows of a task's classes with all that the file says of them (WebEmo's parent classes).

    Raises:
        InputError: as `load_taxonomy`.
    """
    return _load(task)[1]["classes"]


def _load(task: str) -> tuple[Path, dict[str, Any]]:
    """The path and the checked content of a task's taxonomy file."""
    path = Path(task) if task.endswith(".toml") else TAXONOMY_FOLDER / f"{task}.toml"
    if task.endswith(".toml") and not path.is_file():
        raise InputError(f"no taxonomy file: {task} is no file; `sepm tasks` lists names of tasks")
    if not path.is_file():
        names = unknown_name("dataset", task, task_names())
        raise InputError(f"{names}, or a taxonomy file (*.toml)")
    try:
        table = tomllib.loads(composed(path.read_text(encoding="utf-8")))
        _check(table)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error} (see {TAXONOMY_FOLDER / 'emoset.toml'})") from error
    return path, table


def _check(table: dict[str, Any]) -> None:
    """Raise ValueError unless the table has a taxonomy's fields with their types and grades."""
    _need_string(table, "title", "a taxonomy")
    _check_evidence(table, "a taxonomy")
    for choice in CHOICES:
        if choice in table:
            _check_evidence(table[choice], f"[{choice}]")
    if not isinstance(table.get("classes"), list):
        raise ValueError("a taxonomy needs a [[classes]] table for each class")
    rows: list[Any] = table["classes"]
    if len(rows) > MOST_CLASSES:
        raise ValueError(f"{len(rows)} classes; there are letters for {MOST_CLASSES}")
    for number, row in enumerate(rows, start=1):
        _check_class(row, f"[[classes]] number {number}")


def _check_class(row: Any, where: str) -> None:
    for field in CLASS_FIELDS:
        _need_string(row, field, where)
    if row["polarity"] not in POLARITIES:
        raise ValueError(f"{where}: polarity '{row['polarity']}'; expected positive or negative")
    if "/" in row["name"]:
        raise ValueError(f"{where}: name '{row['name']}' holds '/', which ends it in question ids")
    if "source" in row or "grade" in row:
        _check_evidence(row, where)


def _check_evidence(table: Any, where: str) -> None:
    _need_string(table, "source", where)
    _need_string(table, "grade", where)
    if table["grade"] not in GRADES:
        raise ValueError(f"{where}: grade '{table['grade']}'; expected one of {', '.join(GRADES)}")


def _need_string(table: Any, field: str, where: str) -> None:
    value: Any = cast("dict[str, Any]", table).get(field) if isinstance(table, dict) else None
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where} needs '{field}', a string that is not empty")
