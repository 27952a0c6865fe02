"""The bundled demo as the page opens it: its model, some of its scenes, and what they need."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sepm

if TYPE_CHECKING:
    from sepm.models.opening import OpenedModel

FOLDER = Path(sepm.__file__).parents[1] / "data" / "demo"
MODEL = FOLDER / "llava-demo"
SETTINGS: dict[str, Any] = {"sparsevlm_layers": (0, 1, 2)}
"""Settings that fit its three decoder layers."""


def is_demo(opened: "OpenedModel") -> bool:
    """Whether a model is the demo's."""
    return Path(opened.options.model_path).resolve() == MODEL.resolve()


def scenes() -> list[Path]:
    """The first scene of each class."""
    return sorted(FOLDER.glob("image/*/*_00000.png"))
