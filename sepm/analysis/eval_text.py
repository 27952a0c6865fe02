"""Results of an evaluation as text, from its `accuracy.json` files."""

from pathlib import Path
from typing import Any

from sepm.analysis import plain_text as text


def as_text(results: list[dict[str, Any]], paths: list[Path]) -> str:
    """Accuracy with its 95% interval beside the paper's, then the paths of the files.

    What others report stands in a column of its own, where they report something.
    """
    others = any("reported_elsewhere" in result for result in results)
    first, chance = results[0], text.percent(results[0]["chance"])
    rows = [
        [
            text.row_label(path.parent.name, result["method"], result["configuration"]),
            str(result["n"]),
            text.percent(result["accuracy"]),
            text.interval(result["ci95"]),
            text.percent(result.get("paper", {}).get("reported")),
            *([text.percent(result.get("reported_elsewhere", {}).get("reported"))] * others),
            str(result["unread"]),
            str(result["errors"]),
        ]
        for result, path in zip(results, paths, strict=True)
    ]
    told = ("paper", *(["others"] * others))
    header = ("method", "n", "accuracy", "95% interval", *told, "unread", "errors")
    lines = [f"{first['dataset']}, {first['model']}, percent (chance {chance})"]
    lines += text.grid(header, rows)
    if any(result["errors"] for result in results):
        lines += ["", "errors: rows that could not be run; they are not in n"]
    notes = (result["paper"]["note"] for result in results if "paper" in result)
    lines += [f"paper: {note}" for note in dict.fromkeys(notes) if note]
    lines += [f"others: {line}" for line in _about_others(results)]
    return "\n".join([*lines, "", *map(str, paths)])


def _about_others(results: list[dict[str, Any]]) -> list[str]:
    """Source of what others report, and a note on each number."""
    values = [r["reported_elsewhere"] for r in results if "reported_elsewhere" in r]
    sources = dict.fromkeys(f"{value['source']}, not SEPM's paper" for value in values)
    return [*sources, *dict.fromkeys(value["note"] for value in values)]
