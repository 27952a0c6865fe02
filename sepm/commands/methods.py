"""`sepm methods`: what can stand behind `--method`."""

from sepm.documents import Grid
from sepm.method.config import DEFAULT_PRESET, PRESETS
from sepm.registry import METHODS, Method
from sepm.terminal import show


def run() -> int:
    """List the methods."""
    rows = [[name, method.what, settings_read(method)] for name, method in METHODS.items()]
    show([Grid(("method", "what it is", "settings that it reads"), rows, words=3)])
    return 0


def settings_read(method: Method) -> str:
    """Settings that a method reads, those last that make no difference by default, and when."""
    conditions = {
        name: method.condition(name, PRESETS[DEFAULT_PRESET]) for name in sorted(method.reads)
    }
    always = " ".join(name for name, options in conditions.items() if not options)
    return "; ".join([always, *(f"{name} with {o}" for name, o in conditions.items() if o)])
