"""EmoSet-118K (Yang et al., ICCV 2023): splits as JSON lists of label and image path."""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, cast

from sepm.datasets.files import read_rows, read_text, require_new
from sepm.datasets.question_file import Question
from sepm.datasets.reader_parts import Reading, need, require_image, split_path
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy

SPLITS = ("train", "val", "test")
NO_SEPARATOR = re.compile(r"[^\s,]")
TREE = "unpack EmoSet-118K.zip so that the root holds train.json, val.json, test.json and image/"


def read_emoset(root: Path, taxonomy: Taxonomy, *, split: str = "test") -> Reading:
    """The rows of one split, in its order; `question_id` is `<class>/<file>` as the paper's.

    A row is `[label, image path, annotation path]` in the file as released and
    `[label, image id, image path, annotation path]` in the data set's description: the label is
    the first element and the image the one that begins "image/".

    Raises:
        InputError: a file is absent or a row is wrong.
    """
    image_folder = need(root / "image", TREE)
    path = split_path(split, {name: root / f"{name}.json" for name in SPLITS}, TREE)
    seen: dict[Hashable, int] = {}

    def question(line: int, row: Any) -> Question:
        image, label = _image_and_label(row, taxonomy)
        require_new(seen, image, line, f"image '{image}'")
        require_image(image_folder / image)
        return Question(question_id=image, image=image, label=label, line=line)

    questions = read_rows(path, json_elements(path), question)
    return Reading(questions, image_folder, inputs=(path,))


def json_elements(path: Path) -> list[tuple[int, Any]]:
    """The elements of a JSON list, each with the line on which it begins.

    Raises:
        InputError: the file is not a JSON list.
    """
    text = read_text(path)
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"{path}:{line}: not JSON ({error}); expected a JSON list") from error
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a JSON list of rows")
    elements: list[tuple[int, Any]] = []
    decoder, end = json.JSONDecoder(), text.index("[") + 1
    line, counted = 1, 0
    for row in cast("list[Any]", rows):
        begin = next(NO_SEPARATOR.finditer(text, end)).start()
        line, counted = line + text.count("\n", counted, begin), begin
        elements.append((line, row))
        _, end = decoder.raw_decode(text, begin)
    return elements


def _image_and_label(row: Any, taxonomy: Taxonomy) -> tuple[str, str]:
    """Image path below `image/` and label of a row; raises ValueError where it is none."""
    elements = cast("list[Any]", row) if isinstance(row, list) else []
    if len(elements) not in (3, 4) or not isinstance(elements[0], str):
        raise ValueError(
            f"row {row!r:.80}; expected 3 or 4 elements: label, image path, annotation path"
        )
    label = elements[0]
    if label not in taxonomy.names:
        raise ValueError(unknown_name("class", label, taxonomy.names))
    paths = [path for path in map(str, elements[1:]) if path.startswith("image/")]
    if len(paths) != 1:
        raise ValueError(
            f"row {row!r:.80} has {len(paths)} elements that begin 'image/'; expected one"
        )
    image = paths[0].removeprefix("image/")
    folder, _, file = image.partition("/")
    if folder != label or not file or "/" in file:
        raise ValueError(f"image path '{paths[0]}'; expected image/{label}/<file>")
    return image, label
