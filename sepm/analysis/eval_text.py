"""Results of an evaluation as text, from its `accuracy.json` files."""

from pathlib import Path
from typing import Any

from sepm.analysis import plain_text as text


def as_text(results: list[dict[str, Any]], paths: list[Path]) -> str:
    """Accuracy with its 95% interval beside the paper's, then the paths of the files."""
    first, chance = results[0], text.percent(results[0]["chance"])
    rows = [
        [
            text.row_label(path.parent.name, result["method"], result["configuration"]),
            str(result["n"]),
            text.percent(result["accuracy"]),
            text.interval(result["ci95"]),
            text.percent(result.get("paper", {}).get("reported")),
            str(result["unread"]),
            str(result["errors"]),
        ]
        for result, path in zip(results, paths, strict=True)
    ]
    header = ("method", "n", "accuracy", "95% interval", "paper", "unread", "errors")
    lines = [f"{first['dataset']}, {first['model']}, percent (chance {chance})"]
    lines += text.grid(header, rows)
    if any(result["errors"] for result in results):
        lines += ["", "errors: rows that could not be run; they are not in n"]
    notes = (result["paper"]["note"] for result in results if "paper" in result)
    lines += [f"paper: {note}" for note in dict.fromkeys(notes) if note]
    return "\n".join([*lines, "", *map(str, paths)])
