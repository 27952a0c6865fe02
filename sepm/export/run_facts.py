"""Facts about a run that every format asks for."""

import hashlib
import re

from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError
from sepm.records.writing import Record

Files = dict[str, str]
"""Texts of files, by their paths below the output folder."""


def answered_rows(run: StoredRun) -> list[tuple[int, Record]]:
    """The rows that could be run, each with its position among all rows of the run.

    Raises:
        InputError: there is none.
    """
    rows = [(i, row) for i, row in enumerate(run.records) if row["status"] != "error"]
    if not rows:
        raise InputError(
            f"{run.folder}: no image of it could be run, so there is nothing to export"
        )
    return rows


def software_version(run: StoredRun) -> str:
    """Version of SEPM that made the run's last rows; "unknown" where the run does not tell."""
    software = run.facts.get("software") or [{}]
    return software[-1].get("version") or "unknown"


def path_part(name: str) -> str:
    """A name that may stand in a path on every system."""
    return re.sub(r'["<>:/|\\?*\[\]]+', "_", name)


def sha256(text: str) -> str:
    """SHA-256 of a text as `write_whole` writes it."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()
