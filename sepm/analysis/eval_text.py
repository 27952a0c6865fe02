"""Results of an evaluation as text, from its `accuracy.json` files."""

from pathlib import Path
from typing import Any

from sepm.analysis import plain_text as text


def as_text(results: list[dict[str, Any]], paths: list[Path]) -> str:
    """Accuracy with its 95% interval beside the paper's, then the paths of the files."""
    first, chance = results[0], text.percent(results[0]["chance"])
    names = [
        text.row_label(path.parent.name, result["method"], result["configuration"])
        for result, path in zip(results, paths, strict=True)
    ]
    width = max(len("method"), *map(len, names))
    title = f"{first['dataset']}, {first['model']}, percent (chance {chance})"
    header = f"{'method':<{width}}  {'n':>6}  accuracy  {'95% interval':>13}  paper  unread  errors"
    rows = [
        f"{name:<{width}}  {_numbers(result)}" for name, result in zip(names, results, strict=True)
    ]
    if any(result["errors"] for result in results):
        rows += ["", "errors: rows that could not be run; they are not in n"]
    notes = (result["paper"]["note"] for result in results if "paper" in result)
    rows += [f"paper: {note}" for note in dict.fromkeys(notes) if note]
    return "\n".join([title, header, *rows, "", *map(str, paths)])


def _numbers(result: dict[str, Any]) -> str:
    reported = result.get("paper", {}).get("reported")
    return (
        f"{result['n']:>6}  {text.percent(result['accuracy']):>8}  "
        f"{text.interval(result['ci95'], '-'):>13}  {text.percent(reported):>5}  "
        f"{result['unread']:>6}  {result['errors']:>6}"
    )
