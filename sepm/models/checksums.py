"""SHA-256 of a checkpoint's files, without reading gigabytes in every run.

What was computed is kept in the user's cache together with all that tells a changed file. That is
a help only: where the cache cannot be read or written, files are hashed again.
"""

import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sepm.datasets.files import file_sha256, write_whole
from sepm.errors import InputError
from sepm.progress import tell

SETTLED_NS = 2 * 10**9
"""Age of a change from which the next one shows in a file's times, on every file system."""
LONG_READ = 10**9
"""Bytes of a file whose reading takes so long that it is told."""
SHA256 = re.compile("[0-9a-f]{64}")

_computed: dict[str, Any] = {}
"""What this process has computed, for where the cache cannot be written."""


def checksums(files: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of each file, in hexadecimal.

    Raises:
        OSError: a file cannot be read.
    """
    known = _stored() | _computed
    found = {path: _hub_checksum(path) or _checksum(path, known) for path in files}
    if known != _stored():
        _store(known)
    return found


def _hub_checksum(path: Path) -> str | None:
    """The sum that the hub's cache names a large file by, unless it was written to since."""
    if not path.is_symlink():
        return None
    blob, target = Path(os.path.realpath(path)), Path(os.readlink(path))
    is_blob = blob.parent.name == "blobs" and blob.parents[1].name.startswith("models--")
    if not is_blob or blob.name != target.name or not SHA256.fullmatch(blob.name):
        return None
    # The cache links a blob once it is whole; what writes to it later follows the link.
    return blob.name if blob.stat().st_ctime_ns <= path.lstat().st_mtime_ns else None


def _checksum(path: Path, known: dict[str, Any]) -> str:
    """The sum known of a file in this state, else that of its bytes, known from then on."""
    place, state = os.path.realpath(path), _state(path)
    entry = known.get(place)
    if isinstance(entry, list) and entry[:-1] == state and SHA256.fullmatch(str(entry[-1])):
        return entry[-1]
    if state[0] >= LONG_READ:
        tell(f"{path}: computing its SHA-256, once ({state[0] / 1e9:.1f} GB)")
    sha256 = file_sha256(path)
    settled = time.time_ns() - max(state[1:3]) > SETTLED_NS
    if settled and _state(path) == state:
        known[place] = _computed[place] = [*state, sha256]
    return sha256


def _state(path: Path) -> list[int]:
    """All that the file system tells of a file's content: size, times in ns, inode."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _cache_file() -> Path:
    """File of the sums: by real path, the state of a file and its sum.

    Raises:
        RuntimeError: the user has no home.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not folder.is_absolute():
        folder = Path("~/.cache").expanduser()
    return folder / "sepm" / "checksums.json"


def _stored() -> dict[str, Any]:
    """Content of the cache; nothing where it is absent or damaged."""
    try:
        content = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return content if isinstance(content, dict) else {}


def _store(known: dict[str, Any]) -> None:
    """Add to what the cache holds by now; files that have gone are left out."""
    kept = {k: entry for k, entry in (_stored() | known).items() if os.path.exists(k)}
    with suppress(InputError, RuntimeError):  # no home, or none that can be written to
        write_whole(_cache_file(), json.dumps(kept, indent=1) + "\n")
