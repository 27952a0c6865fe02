"""`sepm presets`: the paper's settings, and those of the released code's states."""

from dataclasses import fields

from sepm.documents import Grid
from sepm.method.config import DEFAULT_PRESET, PRESETS, MethodConfig
from sepm.repository import pointer
from sepm.terminal import show


def run() -> int:
    """List the presets, and in what they differ."""
    differing = [
        name
        for name in (setting.name for setting in fields(MethodConfig))
        if len({getattr(preset, name) for preset in PRESETS.values()}) > 1
    ]
    rows = [
        [name, *(str(getattr(preset, name)) for preset in PRESETS.values())] for name in differing
    ]
    more = pointer(" See {}.", "docs/presets.md")
    show(
        [
            f"Unless given, the preset is {DEFAULT_PRESET}.{more}",
            "",
            Grid(("setting", *PRESETS), rows, words=1 + len(PRESETS)),
        ]
    )
    return 0
