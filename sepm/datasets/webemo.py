"""WebEmo (Panda et al., ECCV 2018): lists of addresses, and the images that could be fetched."""

import ast
import re
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Literal, cast

from sepm.datasets.files import numbered_lines, read_rows, read_text, require_new
from sepm.datasets.folder import images_below
from sepm.datasets.folder_walk import folders_in
from sepm.datasets.question_file import Question
from sepm.datasets.reader_parts import Reading, need, split_path
from sepm.datasets.tasks import class_table
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy

Level = Literal["fine", "middle", "sign"]
LEVELS: dict[str, Level] = {"webemo25": "fine", "webemo7": "middle", "webemo2": "sign"}
"""By task, of 25 classes, 7 or 2."""

TREE = "put train25.txt, test25.txt and category.txt there and the images anywhere below"
NO_LIST = "read from folders: without a list, images that could not be fetched are not counted"

SIGNS = {"positive": "+", "negative": "-"}
POLARITY_OF = {sign: polarity for polarity, sign in SIGNS.items()}

Triple = tuple[str, str, str]
"""Fine class, middle class, sign; the position in the table is the label in the lists."""


def read_webemo(root: Path, taxonomy: Taxonomy, *, split: str = "test") -> Reading:
    """The rows of a list whose images are there, or of a tree with a folder for each class.

    An image may stand under several labels, so a row is a label together with a file.
    `question_id` is `<class>/<file>` at the fine level and `<class>/<fine class>/<file>` at the
    others, where two fine classes of one class stay two rows.

    Raises:
        InputError: neither list nor tree is there, a row is wrong, or no image is found.
    """
    need(root, TREE)
    triples, level = bundled_triples(), LEVELS[taxonomy.name]
    inputs: tuple[Path, ...] = ()
    category_file = root / "category.txt"
    if category_file.is_file():
        check_category_file(category_file, triples)
        inputs = (category_file,)
    path = _list_or_tree(root, split)
    if path.is_dir():
        questions = _from_tree(path, taxonomy, triples, level)
        return Reading(questions, path, inputs, _counts(questions, len(questions)), (NO_LIST,))
    rows = read_list(path, len(triples))
    found = _images_by_name(root)
    questions = [
        _question(triples[label], level, file, found[file], line)
        for line, label, file in rows
        if file in found
    ]
    if not questions:
        raise InputError(f"{root}: none of the {len(rows)} images of {path} is below it; {TREE}")
    counts = _counts(questions, len(rows))
    note = f"{counts['missing']} of {len(rows)} rows have no image below {root}; left out"
    return Reading(questions, root, (*inputs, path), counts, (note,) if counts["missing"] else ())


def _list_or_tree(root: Path, split: str) -> Path:
    """The list of a split; where there is none, a tree as download scripts make it."""
    if split not in ("train", "test"):
        return split_path(split, {"train": root, "test": root}, TREE)
    list_file = root / f"{split}25.txt"
    trees = [folder / name for folder in (root / "images", root) for name in (f"{split}25", split)]
    for path in (list_file, *trees):
        if path.exists():
            return path
    looked = ", ".join(str(path) for path in (list_file, *trees))
    raise InputError(f"no {split} split of WebEmo; looked for {looked}; {TREE}")


def _images_by_name(root: Path) -> dict[str, str]:
    """Path below the root for each image's file name, which holds the image's own number and hash.

    Where it lies says nothing: scripts sort in four ways, one of them by the label's last digit.
    """
    found: dict[str, str] = {}
    for image in images_below(root)[0]:
        found.setdefault(Path(image).name, image)
    return found


def _from_tree(
    tree: Path, taxonomy: Taxonomy, triples: list[Triple], level: Level
) -> list[Question]:
    """Questions from folders named by label (0-24), by fine class or, above it, by class."""
    folders = folders_in(tree)
    fine = {str(label): triple for label, triple in enumerate(triples)}
    fine |= {triple[0]: triple for triple in triples}
    numbers = [folder.name for folder in folders if folder.name.isdecimal()]
    if len(numbers) == 10 and all(len(number) == 1 for number in numbers):
        raise InputError(
            f"{tree}: folders 0 to 9 alone, as a script leaves them that keeps only the last digit "
            f"of each label; {TREE}"
        )
    questions: list[Question] = []
    for folder in folders:
        if folder.name in fine:
            triple = fine[folder.name]
        elif level != "fine" and folder.name in taxonomy.names:
            triple = (folder.name, folder.name, SIGNS.get(folder.name, ""))
        else:
            names = (name for name, *_ in triples)
            raise InputError(f"{folder}: {unknown_name('class', folder.name, names)}")
        for image in images_below(folder)[0]:
            path = f"{folder.name}/{image}"
            questions.append(_question(triple, level, image, path, line=0))
    if not questions:
        raise InputError(f"{tree}: no image in a class folder; {TREE}")
    return questions


def _question(triple: Triple, level: Level, file: str, image: str, line: int) -> Question:
    name, middle, sign = triple
    if level == "fine":
        return Question(question_id=f"{name}/{file}", image=image, label=name, line=line)
    label = middle if level == "middle" else POLARITY_OF[sign]
    return Question(question_id=f"{label}/{name}/{file}", image=image, label=label, line=line)


def _counts(questions: list[Question], rows: int) -> dict[str, int]:
    labels: dict[str, set[str]] = {}
    for question in questions:
        labels.setdefault(Path(question.image).name, set()).add(question.label)
    rows_of = Counter(Path(question.image).name for question in questions)
    return {
        "rows": rows,
        "missing": rows - len(questions),
        "images": len(labels),
        "images_in_several_rows": sum(n > 1 for n in rows_of.values()),
        "images_of_several_classes": sum(len(names) > 1 for names in labels.values()),
    }


def bundled_triples() -> list[Triple]:
    """The table of `category.txt`, as bundled in the taxonomy of 25 classes."""
    rows = class_table("webemo25")
    return [(row["name"], row["parent"], SIGNS[row["polarity"]]) for row in rows]


def read_list(path: Path, n_classes: int) -> list[tuple[int, int, str]]:
    """Line, label and file of the rows `<address> <label>`; the file is the address's last part.

    Raises:
        InputError: the file is absent or empty, or a row is wrong or stands twice.
    """
    seen: dict[Hashable, int] = {}

    def list_row(line: int, text: str) -> tuple[int, int, str]:
        address, _, number = text.strip().rpartition(" ")
        file = address.strip().rpartition("/")[2]
        if not file or re.search(r"\s", address) or not re.fullmatch(r"[0-9]+", number):
            raise ValueError(f"'{text:.80}'; expected <address> <label> with one blank")
        label = int(number)
        if label >= n_classes:
            raise ValueError(f"label {label}; expected 0 to {n_classes - 1}")
        require_new(seen, (label, file), line, f"'{file}' with label {label}")
        return line, label, file

    rows = read_rows(path, numbered_lines(path), list_row)
    if not rows:
        raise InputError(f"{path}: empty; expected a row <address> <label> for each image")
    return rows


def check_category_file(path: Path, triples: list[Triple]) -> None:
    """Raise InputError unless `category.txt` gives every label the meaning that the triples give.

    The file is Python: a comment and `labels=[(fine, middle, sign), …]`. It is read as a literal
    and never run.
    """
    text = read_text(path)
    start = re.search(r"^[ \t]*labels[ \t]*=", text, re.MULTILINE)
    if start is None:
        raise InputError(f"{path}: no line begins 'labels='; expected a list of triples there")
    line = text.count("\n", 0, start.end()) + 1
    try:
        found: Any = ast.literal_eval(text[start.end() :].strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise InputError(f"{path}:{line}: not a literal list of triples ({error})") from error
    table = cast("list[Any]", found) if isinstance(found, list) else []
    if len(table) != len(triples):
        raise InputError(f"{path}:{line}: expected a list of {len(triples)} triples")
    for label, (theirs, ours) in enumerate(zip(table, triples, strict=True)):
        if theirs != ours:
            raise InputError(f"{path}:{line}: label {label} is {theirs!r}; expected {ours!r}")
