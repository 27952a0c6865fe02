"""Results of an evaluation as text, from its `accuracy.json` files."""

from pathlib import Path
from typing import Any

from sepm.analysis import plain_text as text


def as_text(results: list[dict[str, Any]], paths: list[Path]) -> str:
    """Accuracy with its 95% interval beside the paper's, then the paths of the files.

    What others report stands in a column of its own, where they report something.
    """
    has_others = any("reported_elsewhere" in result for result in results)
    first, chance = results[0], text.percent(results[0]["chance"])
    names = [
        text.row_label(path.parent.name, result["method"], result["configuration"])
        for result, path in zip(results, paths, strict=True)
    ]
    width = max(len("method"), *map(len, names))
    title = f"{first['dataset']}, {first['model']}, percent (chance {chance})"
    columns = f"{'n':>6}  accuracy  {'95% interval':>13}  paper{'  others' if has_others else ''}"
    header = f"{'method':<{width}}  {columns}  unread  errors"
    rows = [
        f"{name:<{width}}  {_numbers(result, has_others)}"
        for name, result in zip(names, results, strict=True)
    ]
    if any(result["errors"] for result in results):
        rows += ["", "errors: rows that could not be run; they are not in n"]
    notes = (result["paper"]["note"] for result in results if "paper" in result)
    rows += [f"paper: {note}" for note in dict.fromkeys(notes) if note]
    rows += [f"others: {line}" for line in _about_others(results)]
    return "\n".join([title, header, *rows, "", *map(str, paths)])


def _about_others(results: list[dict[str, Any]]) -> list[str]:
    """Source of what others report, and a note on each number."""
    values = [r["reported_elsewhere"] for r in results if "reported_elsewhere" in r]
    sources = dict.fromkeys(f"{value['source']}, not SEPM's paper" for value in values)
    return [*sources, *dict.fromkeys(value["note"] for value in values)]


def _numbers(result: dict[str, Any], has_others: bool) -> str:
    reported = result.get("paper", {}).get("reported")
    others = text.percent(result.get("reported_elsewhere", {}).get("reported"))
    return (
        f"{result['n']:>6}  {text.percent(result['accuracy']):>8}  "
        f"{text.interval(result['ci95'], '-'):>13}  {text.percent(reported):>5}  "
        f"{f'{others:>6}  ' if has_others else ''}{result['unread']:>6}  {result['errors']:>6}"
    )
