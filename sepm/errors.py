"""Errors of the user, told so that one knows what to do next."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The input or the configuration is wrong; nothing was computed (exit status 2)."""


class RunError(RuntimeError):
    """The run began and failed; what was done is kept (exit status 1)."""


NEAR, NEAR_WITH_INITIAL = 0.75, 0.6
"""Least likeness (`difflib`'s ratio) of a name that is offered; less where the initial is right."""


def did_you_mean(value: str, available: Iterable[str]) -> str:
    """`; did you mean '…'?` with the valid name that a value is likely meant to be, or nothing."""
    names = {name.lower().lstrip("-"): name for name in available}
    typed = value.lower().lstrip("-")
    for cutoff in (NEAR, NEAR_WITH_INITIAL):
        for found in difflib.get_close_matches(typed, names, cutoff=cutoff):
            if cutoff == NEAR or found[0] == typed[0]:
                return f"; did you mean '{names[found]}'?"
    return ""


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
