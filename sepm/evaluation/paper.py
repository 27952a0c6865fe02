"""The paper's reported accuracies (Tables 1-3), by what a run was."""

import json
from functools import cache
from pathlib import Path
from typing import Any

MODEL_COLUMNS = {
    "llava-v1.5-7b": "llava-7b",
    "Llama-3-VILA1.5-8B": "vila-8b",
    "Llama-3-VILA1.5-8B-Fix": "vila-8b",  # which of the two it was, the paper does not say
}
"""The paper's name of a model, by the checkpoint's name. No other model is compared with it."""

PAPER_MODELS = {"llava-7b": "LLaVA-1.5-7B", "vila-8b": "VILA-8b"}
"""The same names, as one shows them."""

DROP_ROWS = {"random": "random", "query": "query-related"}


@cache
def paper_tables() -> dict[str, Any]:
    """`paper.json`: every number of Tables 1-3, in percent."""
    path = Path(__file__).with_name("paper.json")
    tables: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return tables


def reported_accuracy(
    dataset: str, model: str, method: str, config: dict[str, Any]
) -> float | None:
    """The paper's accuracy, a fraction, for a run like this one; None where it has no such cell.

    Args:
        dataset: task name.
        model: checkpoint name.
        method: method name.
        config: alpha, beta and drop of the run. The preset does not matter: the question is how
            far a run is from the paper.
    """
    column = MODEL_COLUMNS.get(model)
    if column is None:
        return None
    percent = _cell(paper_tables(), dataset, column, method, config)
    return percent / 100 if percent is not None else None


def _cell(
    tables: dict[str, Any], dataset: str, column: str, method: str, config: dict[str, Any]
) -> float | None:
    one_stage = method in ("zero-shot", "zero-shot-cot", "fp", "sparsevlm")
    if not one_stage and config["alpha"] != tables["defaults"]["alpha"]:
        return None
    if method == "sepm" and config["drop"] in DROP_ROWS:
        rows = tables["table2"].get(column, {}).get(DROP_ROWS[config["drop"]], {})
        return rows.get(dataset, {}).get(f"{config['beta']:g}")
    row = f"sepm-b{config['beta']:g}" if method == "sepm" else method
    for table in ("table1", "table3"):
        cell = tables[table].get(column, {}).get(row, {}).get(dataset)
        if cell is not None:
            return cell
    return None
