"""Memory of a process that computes on a CPU: what one operation frees, the next one takes.

Nothing changes under a C library other than glibc. What it brings is told in docs/performance.md.
"""

import ctypes
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, from glibc's `malloc.h`."""
NEVER = 2**31 - 1
"""The largest number of bytes that it takes."""
MOST_IN_OLD_GLIBC = 32 * 2**20
"""Bytes; older versions refuse a higher threshold for blocks that are mapped by themselves."""


def keep_freed_memory() -> None:
    """Have the process keep what it frees from now on.

    Else glibc gives large blocks back to the system, and the activations of every layer are mapped
    and zeroed page by page anew.
    """
    if mallopt := _glibc("mallopt"):
        # First, since setting any threshold ends glibc's own adjusting of this one.
        if not mallopt(M_MMAP_THRESHOLD, NEVER):
            mallopt(M_MMAP_THRESHOLD, MOST_IN_OLD_GLIBC)
        mallopt(M_TRIM_THRESHOLD, NEVER)


def give_back_freed_memory() -> None:
    """Give what is free now back to the system, before a process is forked.

    The fork shares all memory, and each page of it that either of the two writes on must be copied
    first; free memory is no longer there to be copied.
    """
    if malloc_trim := _glibc("malloc_trim"):
        malloc_trim(0)


def _glibc(name: str) -> Any:
    """A function of the C library, None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None)
