"""Sharpening Emotion Perception in MLLMs (ICML 2025).

import sepm

model = sepm.load_model("data/demo/llava-demo")
decision = sepm.predict(model, "photo.jpg", method="sepm", beta=0.2)
print(decision.emotion)
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "evaluate", "load_model", "predict"]

if TYPE_CHECKING:
    from sepm.notebook import evaluate, load_model, predict


def __getattr__(name: str) -> Any:
    """A public name, which imports torch only when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'sepm' has no attribute '{name}'")
    from sepm import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return __all__
