"""Small pictures for the page, of samples drawn evenly over classes and outcomes."""

import base64
from io import BytesIO
from itertools import zip_longest
from typing import Any

from sepm.records.record import Record
from sepm.report.geometry import VisualGrid
from sepm.report.image_folders import load_image
from sepm.report.overlay import shrunk
from sepm.report.runs import RunGroup
from sepm.report.samples import round_robin

LONGEST_SIDE = 208
JPEG_QUALITY = 75
FRACTION_DIGITS = 4


def thumbnail_ids(group: RunGroup, count: int) -> list[str]:
    """Up to `count` question ids, spread over classes, and over right, wrong, gained and lost."""
    reference, main = group.compared or (None, group.runs[0])
    before = {r["question_id"]: r["correct"] for r in reference.records} if reference else {}
    classes: dict[str, dict[tuple[bool, bool], list[str]]] = {n: {} for n in group.taxonomy.names}
    for record in main.records:
        if record["status"] != "error":
            key, correct = record["question_id"], record["correct"]
            outcomes = classes[record["label"]]
            outcomes.setdefault((correct, before.get(key, correct)), []).append(key)
    # All classes have their turn with one outcome before any has it with the next.
    turns = zip_longest(*([found[k] for k in sorted(found)] for found in classes.values()))
    return round_robin([ids for turn in turns for ids in turn if ids], count)


def thumbnail(record: Record, image_folder: Any, grid: VisualGrid | None) -> dict[str, Any]:
    """A picture as a data URI, and where the model's input lies on it.

    Returns:
        `src`; `frame`: left, top, width and height of the input in fractions of the picture, or
        None without a grid.

    Raises:
        InputError: the image cannot be read.
    """
    image = load_image(record, image_folder)
    file = BytesIO()
    shrunk(image, LONGEST_SIDE).save(file, "JPEG", quality=JPEG_QUALITY)
    source = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    return {"src": source, "frame": _frame(grid, *image.size) if grid else None}


def _frame(grid: VisualGrid, width: int, height: int) -> list[float]:
    box = grid.input_box(width, height)
    shares = (box.left / width, box.top / height, box.width / width, box.height / height)
    return [round(share, FRACTION_DIGITS) for share in shares]


def token_boxes(grid: VisualGrid) -> list[list[float]]:
    """Left, top, right and bottom of each visual token in fractions of the input."""
    boxes = (grid.box(index) for index in range(grid.num_tokens))
    return [[round(side / grid.input_size, FRACTION_DIGITS) for side in box] for box in boxes]
