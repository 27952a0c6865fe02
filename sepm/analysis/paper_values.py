"""The paper's reported accuracies (Tables 1-3), by what a run was."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sepm.baselines.sparsevlm_settings import LAYERS
from sepm.datasets.make_question_file import paper_note
from sepm.datasets.readers import READERS
from sepm.method.config import Drop

MODEL_COLUMNS = {
    "llava-v1.5-7b": "llava-7b",
    "Llama-3-VILA1.5-8B": "vila-8b",
    "Llama-3-VILA1.5-8B-Fix": "vila-8b",  # which of the two it was, the paper does not say
}
"""The paper's name of a model, by the checkpoint's name. No other model is compared with it."""

PAPER_MODELS = {"llava-7b": "LLaVA-1.5-7B", "vila-8b": "VILA-8b"}
"""The same names, as one shows them."""

DROP_ROWS: dict[Drop, str] = {"random": "random", "query": "query-related", "foe": "foe-related"}
"""Names of Table 2's rows, by what its visual tokens are dropped by."""

SPARSEVLM_NOTE = "the paper names neither SparseVLM's version nor its budget"


@cache
def paper_tables() -> dict[str, Any]:
    """All numbers of Tables 1-3, in percent, as in `paper.json`."""
    return json.loads(Path(__file__).with_name("paper.json").read_text(encoding="utf-8"))


def paper_cell(
    table: int | str, column: str, row: str, task: str, drop_ratio: float = 0
) -> float | None:
    """A cell of Table 1, 2 or 3, a fraction; None where there is no such cell.

    Model (`column`) and row are named as in `paper.json`. Table 1 has the task "average" too, and
    Table 2 a cell for each β (`drop_ratio`).
    """
    percent = paper_tables()[f"table{table}"].get(column, {}).get(row, {}).get(task)
    if isinstance(percent, dict):
        percent = percent.get(f"{drop_ratio:g}")
    return None if percent is None else percent / 100


@dataclass(frozen=True)
class PaperValue:
    """The paper's accuracy beside that of a run like its own."""

    reported: float | None
    """Its accuracy, a fraction; None where it was measured on another number of images."""
    note: str | None
    """Reasons why the two may not be the same measurement."""

    def beside(self, accuracy: float) -> dict[str, Any]:
        """`paper` of `accuracy.json`."""
        difference = None if self.reported is None else accuracy - self.reported
        return {"reported": self.reported, "difference": difference, "note": self.note}


def paper_value(
    dataset: str, model: str, method: str, config: Mapping[str, Any], n: int
) -> PaperValue | None:
    """The paper's value to stand beside a run over n images; None where it has no such cell.

    The preset does not matter: the question is how far the run's settings are from the paper's.
    """
    column = MODEL_COLUMNS.get(model)
    if dataset not in READERS or column is None or not has_papers_settings(method, config):
        return None
    reported = _run_cell(dataset, column, method, config)
    return None if reported is None else value_at(reported, dataset, method, n)


def value_at(reported: float, dataset: str, method: str, n: int) -> PaperValue:
    """A cell of the paper beside an accuracy of n images.

    The paper states no n. Where its decimals imply one, only that n is compared with it.
    """
    reader = READERS[dataset]
    if note := paper_note(reader, n):
        return PaperValue(None, note)
    notes = [SPARSEVLM_NOTE] if method == "sparsevlm" else []
    if reader.paper_n is None:
        least = reader.paper_n_at_least
        notes.append(f"n is {n}; the paper's is unknown, its accuracies exclude any below {least}")
    return PaperValue(reported, "; ".join(notes) or None)


def has_papers_settings(method: str, config: Mapping[str, Any]) -> bool:
    """Whether the settings that the paper states, or that its model implies, are a run's."""
    if config.get("rotations", 1) > 1 or config.get("letters", "kept") != "kept":
        return False
    if method == "sepm" and config.get("image_pass") == "once":
        return False
    if method == "sparsevlm":
        layers = config["sparsevlm_layers"]
        return layers is None or tuple(layers) == LAYERS[config["sparsevlm_version"]]
    one_stage = method in ("zero-shot", "zero-shot-cot", "fp")
    return one_stage or config["alpha"] == paper_tables()["defaults"]["alpha"]


def _run_cell(dataset: str, column: str, method: str, config: Mapping[str, Any]) -> float | None:
    if method != "sepm":
        cells = (paper_cell(table, column, method, dataset) for table in (1, 3))
        return next((cell for cell in cells if cell is not None), None)
    beta, drop = config["beta"], config["drop"]
    if drop not in DROP_ROWS:
        return None
    if drop == "foe":
        return paper_cell(1, column, f"sepm-b{beta:g}", dataset)
    return paper_cell(2, column, DROP_ROWS[drop], dataset, beta)
