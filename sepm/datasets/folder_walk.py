"""Folders as users have them: links followed, what systems leave behind passed over."""

import os
from collections.abc import Iterator
from pathlib import Path

from sepm.datasets.image_files import file_fault
from sepm.errors import InputError

SYSTEM_NAMES = frozenset(
    (
        *("__macosx", "@eadir", "@recycle", "@recently-snapshot", "@tmp", "@__thumb", "#recycle"),
        *("#snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found"),
        *("network trash folder", "temporary items", "thumbnails", "thumbs.db", "ehthumbs.db"),
        "desktop.ini",
    )
)
"""Names, in lower case, that archives, file servers and file managers leave in folders."""


def is_system(name: str) -> bool:
    """True if a file or folder of that name is hidden or a system's own: never data."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def folders_in(folder: Path) -> list[Path]:
    """The folders right in a folder, sorted by name, links to folders among them.

    Raises:
        InputError: the folder cannot be listed, or a link in it leads nowhere.
    """
    try:
        found = sorted(path for path in folder.iterdir() if not is_system(path.name))
    except OSError as error:
        raise _not_listed(error) from error
    for path in found:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path}: {file_fault(path)}")
    return [path for path in found if path.is_dir()]


def files_below(folder: Path) -> Iterator[Path]:
    """Paths of all files below a folder, at any depth, links followed.

    Raises:
        InputError: a folder cannot be listed, or a link leads to a folder that it lies in.
    """

    def fail(error: OSError) -> None:
        raise _not_listed(error) from error

    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_system(name))
        for name in folders:
            path = Path(place, name)
            if path.is_symlink() and any(path.samefile(up) for up in path.absolute().parents):
                raise InputError(f"{path}: a link to a folder that it lies in; remove it")
        yield from (Path(place, name) for name in sorted(files) if not is_system(name))


def _not_listed(error: OSError) -> InputError:
    return InputError(f"{error.filename}: cannot be listed: {error.strerror}")
