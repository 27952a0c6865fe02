"""Positions of the page's controls."""

from dataclasses import asdict, dataclass
from typing import Any

from sepm.method.config import DEFAULT_PRESET

SETTINGS = ("alpha", "beta", "phrase")
"""Settings of the method that have a control."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Positions of all controls."""

    method: str = "sepm"
    preset: str = DEFAULT_PRESET
    task: str = "emoset"
    """A bundled taxonomy's name, or a taxonomy file."""
    alpha: float | None = None
    """None: the preset's, as of the next two."""
    beta: float | None = None
    phrase: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that were chosen."""
        return {k: v for k, v in asdict(self).items() if k in SETTINGS and v is not None}
