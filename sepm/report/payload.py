"""Data of the page's sample browser: one compact value, columns instead of rows."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

from PIL import Image

from sepm.analysis.stored_run import StoredRun
from sepm.method.confidence import Branch
from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import Taxonomy, no_class
from sepm.records.geometry import TokenPlaces, VisualGrid
from sepm.records.labels import classes_by_letter
from sepm.records.tiled_grid import PLACES_UNKNOWN, TiledGrid, dropped_in_words
from sepm.records.writing import Record
from sepm.report.image_folders import ImageFolders, load_image
from sepm.report.overlay import shrunk
from sepm.report.runs import RunGroup
from sepm.report.samples import spread_ids

SCALE = 10_000
"""Probabilities and confidences travel as whole ten-thousandths."""

MOST_ROWS = 125_000
"""Rows of all runs of a group that the browser holds; further runs stay in the tables."""

ABSENT, ERROR, UNREAD = -3, -2, -1
"""Predictions that are no class."""
NO_CLASS = {UNREAD: "unread", ERROR: "error", ABSENT: "not in this run"}

BRANCHES = get_args(Branch)

Menu = tuple[tuple[str, int], ...]
"""Options of a query: the text of each with its letter, and the number of its class."""

LONGEST_SIDE = 208
"""Of a picture, in pixels."""
JPEG_QUALITY = 75
FRACTION_DIGITS = 4


def browsable(group: RunGroup) -> list[StoredRun]:
    """The runs that the browser holds: those compared first, then as many as there is room for."""
    compared = group.compared or ()
    chosen: list[StoredRun] = []
    rows = 0
    for run in [*compared, *(run for run in group.runs if run not in compared)]:
        rows += len(run.records)
        if chosen and rows > MOST_ROWS:
            break
        chosen.append(run)
    return chosen


def page_payload(
    groups: Sequence[RunGroup], folders: ImageFolders, thumbnails: int
) -> dict[str, Any]:
    """The groups, and what they have in common; raises InputError as `group_payload` does."""
    return {
        "scale": SCALE,
        "branches": BRANCHES,
        "coarse_options": [f"{letter}. {text}" for letter, text in COARSE_OPTIONS.items()],
        "groups": [group_payload(g, folders.get(g.dataset), thumbnails) for g in groups],
    }


def group_payload(group: RunGroup, image_folder: Path | None, thumbnails: int) -> dict[str, Any]:
    """Classes, samples, runs and pictures of a group.

    Raises:
        InputError: an image cannot be read.
    """
    runs, taxonomy = browsable(group), group.taxonomy
    samples = {r["question_id"]: r for run in reversed(runs) for r in run.records}
    ids = sorted(samples)
    grid = next((run.grid for run in runs if run.grid), None)
    pictures = {
        ids.index(key): {
            **_picture(load_image(samples[key], image_folder), grid),
            **_dropped_tokens([(run, run.by_id.get(key, {})) for run in runs]),
        }
        for key in spread_ids(group, thumbnails)
        if image_folder
    }
    names = list(taxonomy.names)
    return {
        "dataset": group.dataset,
        "model": group.model,
        "classes": [[c.name, c.option_letter, c.option_text, c.polarity] for c in taxonomy.classes],
        "no_class": {code: no_class(word, names) for code, word in NO_CLASS.items()},
        "boxes": _token_boxes(grid) if grid and pictures else [],
        "ids": ids,
        "labels": [names.index(samples[key]["label"]) for key in ids],
        "runs": [run_payload(run, ids, taxonomy) for run in runs],
        "pictures": pictures,
    }


def _picture(image: Image.Image, grid: VisualGrid | None) -> dict[str, Any]:
    """A small picture as a data URI, and where the model's input lies on it.

    Returns:
        `src`; `frame`: left, top, width and height of the input in fractions of the picture, or
        None without a grid.
    """
    file = BytesIO()
    shrunk(image, LONGEST_SIDE).save(file, "JPEG", quality=JPEG_QUALITY)
    frame, (width, height) = None, image.size
    if grid:
        box = grid.input_box(width, height)
        shares = (box.left / width, box.top / height, box.width / width, box.height / height)
        frame = [round(share, FRACTION_DIGITS) for share in shares]
    return {"src": data_uri("image/jpeg", file.getvalue()), "frame": frame}


def data_uri(kind: str, content: bytes) -> str:
    """A file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _dropped_tokens(rows: Sequence[tuple[StoredRun, Record]]) -> dict[str, Any]:
    """Dropped tokens of one image under each run.

    Returns:
        For each run, `dropped`: their indices; `said`: their number in words, or "";
        `tiles`: those of the image's own tokens, as `TiledGrid.numbered`, or None.
    """
    dropped = [row.get("dropped", []) for _, row in rows]
    places = [run.token_places(row) for run, row in rows]
    said = [
        _said(gone, row, where) if gone else ""
        for gone, (_, row), where in zip(dropped, rows, places, strict=True)
    ]
    tiles = [where.numbered if isinstance(where, TiledGrid) else None for where in places]
    return {"dropped": dropped, "said": said, "tiles": tiles}


def _said(dropped: Sequence[int], row: Record, places: TokenPlaces | None) -> str:
    """How many tokens are dropped, and of each of several covers; or that places are not known."""
    words = [dropped_in_words(dropped, row, places)]
    if places is None:
        words.append(PLACES_UNKNOWN)
    elif len(places.covers) > 1:
        words += [f"{cover.name}: {cover.dropped_of_all(dropped)}" for cover in places.covers]
    return "; ".join(words)


def _token_boxes(grid: VisualGrid) -> list[list[float]]:
    """Left, top, right and bottom of each visual token in fractions of the input."""
    boxes = (grid.box(index) for index in range(grid.num_tokens))
    return [[round(side / grid.input_size, FRACTION_DIGITS) for side in box] for box in boxes]


def run_payload(run: StoredRun, ids: Sequence[str], taxonomy: Taxonomy) -> dict[str, Any]:
    """A run's columns, in the order of the samples.

    `offered` numbers the sets of options in `menus`, and `prompts` the queries; `texts` has what is
    no bare letter: answers in words, and the reasons of errors. An option is its text with its
    letter, and the number of its class.
    """
    rows = [run.by_id.get(key) for key in ids]
    menus: dict[Menu, int] = {}
    prompts: dict[str, int] = {}
    fine = [row.get("fine") if row else None for row in rows]
    coarse = [row.get("coarse") if row else None for row in rows]
    return {
        "name": run.name,
        "prediction": [_prediction(row, taxonomy) for row in rows],
        "correct": [int(bool(row and row["correct"])) for row in rows],
        "probs": [[_scaled(p) for p in f["probs"].values()] if f else [] for f in fine],
        "offered": [
            menus.setdefault(menu(row, taxonomy), len(menus)) if row and "fine" in row else -1
            for row in rows
        ],
        "menus": list(menus),
        "coarse": [
            [_scaled(c["p_a"]), _scaled(c["p_b"]), _scaled(c["confidence"])] if c else 0
            for c in coarse
        ],
        "branch": [BRANCHES.index(c["branch"]) if c else -1 for c in coarse],
        "prompt": [
            [prompts.setdefault(stage["prompt"], len(prompts)) for stage in (c, f) if stage]
            for c, f in zip(coarse, fine, strict=True)
        ],
        "prompts": list(prompts),
        "texts": {i: said for i, row in enumerate(rows) if (said := _words(row))},
    }


def menu(row: Record, taxonomy: Taxonomy) -> Menu:
    """The options that a row's query shows."""
    classes = classes_by_letter(row, taxonomy)
    shown = [classes[letter] for letter in row["fine"]["probs"]]
    return tuple(
        (f"{c.option_letter}. {c.option_text}", taxonomy.names.index(c.name)) for c in shown
    )


def _prediction(row: Record | None, taxonomy: Taxonomy) -> int:
    if row is None:
        return ABSENT
    if row["status"] != "ok":
        return ERROR if row["status"] == "error" else UNREAD
    return taxonomy.names.index(row["prediction"])


def _words(row: Record | None) -> list[str]:
    """The reason of an error, or answers in words; nothing where letters tell all of a row."""
    if row is None:
        return []
    if row["status"] == "error":
        return [row["error"]]
    said = [row[stage]["text"] for stage in ("coarse", "fine") if stage in row]
    return said if any(len(text) > 1 for text in said) or row["status"] != "ok" else []


def _scaled(fraction: float) -> int:
    return round(SCALE * fraction)
