"""Models and how one is opened. Importing it checks that `llava` is SEPM's own package."""

from importlib.util import find_spec
from pathlib import Path

from sepm.errors import InputError

LLAVA_IS_OURS = "PART_OF_SEPM = True"
"""A line of our `llava/__init__.py`."""


def require_own_llava() -> None:
    """Check that `import llava` finds SEPM's package, without importing it.

    The original LLaVA's package has the same name. It hides ours where it comes first on the path,
    and mixes with it where both were installed into one folder.

    Raises:
        InputError: it finds the other one, or a mixture.
    """
    found = find_spec("llava")
    if found is None or found.origin is None:
        raise InputError("SEPM's package llava is not there; install SEPM again")
    init = Path(found.origin)
    ours = LLAVA_IS_OURS in init.read_text(encoding="utf-8").splitlines()
    if not ours or (init.parent / "model" / "__init__.py").is_file():
        raise InputError(
            f"another package named llava at {init.parent} hides SEPM's, or is mixed with it; "
            "SEPM needs an environment without the original LLaVA: install it into one of its own"
        )


require_own_llava()
