"""Results of an evaluation as a document, from its `accuracy.json` files."""

from pathlib import Path
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis import rotations
from sepm.documents import Document, Grid


def as_document(results: list[dict[str, Any]], paths: list[Path]) -> Document:
    """Accuracy with its 95% interval beside the paper's, then the paths of the files.

    What others report stands in a column of its own, where they report something.
    """
    first, chance = results[0], text.percent(results[0]["chance"])
    rows = [_row(result, path) for result, path in zip(results, paths, strict=True)]
    notes = (result["paper"]["note"] for result in results if "paper" in result)
    errors = ("", "errors: rows that could not be run; they are not in n")
    return [
        f"{first['dataset']}, {first['model']}, percent (chance {chance})",
        text.grid(rows),
        *(errors if any(result["errors"] for result in results) else ()),
        *(f"paper: {note}" for note in dict.fromkeys(notes) if note),
        *(f"others: {line}" for line in _about_others(results)),
        *_about_rotations(results, paths),
        "",
        *map(str, paths),
    ]


def _row(result: dict[str, Any], path: Path) -> text.Cells:
    paper, others = (result.get(who, {}) for who in ("paper", "reported_elsewhere"))
    return {
        "method": text.row_label(path.parent.name, result["method"], result["configuration"]),
        "n": str(result["n"]),
        **text.accuracy_cells(result, "-"),
        "paper": text.percent(paper.get("reported")),
        "others": text.percent(others.get("reported")),
        **{name: str(result[name]) for name in ("unread", "errors")},
    }


def _about_rotations(results: list[dict[str, Any]], paths: list[Path]) -> list[str | Grid]:
    return [
        part
        for result, path in zip(results, paths, strict=True)
        if "rotations" in result
        for part in ("", *rotations.as_document(path.parent.name, result["rotations"]))
    ]


def _about_others(results: list[dict[str, Any]]) -> list[str]:
    """Source of what others report, and a note on each number."""
    values = [r["reported_elsewhere"] for r in results if "reported_elsewhere" in r]
    sources = dict.fromkeys(f"{value['source']}, not SEPM's paper" for value in values)
    return [*sources, *dict.fromkeys(value["note"] for value in values)]
