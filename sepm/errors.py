"""Errors of the user, told so that one knows what to do next."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The input or the configuration is wrong; nothing was computed (exit status 2)."""


class RunError(RuntimeError):
    """The run began and failed; what was done is kept (exit status 1)."""


def did_you_mean(value: str, available: Iterable[str]) -> str:
    """`; did you mean '…'?` with the valid name that a value is likely meant to be, or nothing."""
    names = {name.lower(): name for name in available}
    matches = difflib.get_close_matches(value.lower(), names, n=1, cutoff=0.5)
    return f"; did you mean '{names[matches[0]]}'?" if matches else ""


def require_known(kind: str, value: str, available: Iterable[str]) -> None:
    """Raise `InputError` unless a name is one of the available ones."""
    names = list(available)
    if value not in names:
        raise InputError(unknown_name(kind, value, names))


def unknown_name(kind: str, value: str, available: Iterable[str]) -> str:
    """Message for a name that is none of the available ones."""
    names = list(available)
    hint = did_you_mean(value, names) or ";"
    return f"unknown {kind} '{value}'{hint} available: {', '.join(names)}"
