"""Say what this Python lacks to run SEPM: its version, or packages of pyproject.toml.

    python scripts/usable_python.py [EXTRA]     EXTRA: an extra of pyproject.toml, such as dev

Exit status 0: nothing; 2: the lacking is told. Versions of packages are not looked at.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lacking_packages(requirements: list[str]) -> list[str]:
    """Names of the required packages that are not installed."""
    lacking = []
    for requirement in requirements:
        name = re.split(r"[^\w.-]", requirement)[0]
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            lacking.append(name)
    return lacking


def main(extras: list[str]) -> int:
    """Exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whatever Python a user names
        version = ".".join(map(str, sys.version_info[:3]))
        print(f"it is Python {version}; SEPM needs 3.11 or newer", file=sys.stderr)
        return 2
    import tomllib  # new in Python 3.11

    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    required = project["dependencies"]
    for extra in extras:
        required = [*required, *project["optional-dependencies"][extra]]
    if lacking := lacking_packages(required):
        print(f"it lacks {', '.join(lacking)}; see pyproject.toml", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
