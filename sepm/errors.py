"""What a user can get wrong, told so that one knows what to do next."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The input or the configuration is wrong; nothing was computed (exit status 2)."""


class RunError(RuntimeError):
    """The run began and failed; what was done is kept (exit status 1)."""


def nearest(value: str, available: Iterable[str]) -> str:
    """`; did you mean '…'?` for the nearest valid name, or nothing."""
    matches = difflib.get_close_matches(value, list(available), n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""
