"""Files of SEPM's repository, which are not there where only its packages were installed."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def pointer(text: str, name: str) -> str:
    """A text that points to a file of the repository; nothing where the file is not there.

    Args:
        text: with `{}` for the file, which is its name in the repository, or its whole path where
            the working folder is another.
        name: of the file, such as "docs/statistics.md".
    """
    path = REPOSITORY / name
    if not path.is_file():
        return ""
    return text.format(name if Path.cwd() == REPOSITORY else path)
