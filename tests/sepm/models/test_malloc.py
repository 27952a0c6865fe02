"""What is asked of the C library, and that one without these functions is left alone."""

import ctypes

import pytest

from sepm.models.malloc import give_back_freed_memory, keep_freed_memory


class Glibc:
    """Notes down what it is asked for and grants; an old one grants no high M_MMAP_THRESHOLD."""

    def __init__(self, *, old: bool = False) -> None:
        self.old = old
        self.calls: list[tuple[str, ...]] = []

    def mallopt(self, parameter: int, value: int) -> int:
        if self.old and parameter == -3 and value > 32 * 2**20:
            return 0
        self.calls.append(("mallopt", str(parameter), str(value)))
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.calls.append(("malloc_trim", str(pad)))
        return 1


@pytest.mark.parametrize(("old", "most"), [(False, "2147483647"), (True, "33554432")])
def test_nothing_that_is_freed_is_trimmed_or_mapped_apart(
    old: bool, most: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Glibc(old=old)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    keep_freed_memory()
    # mallopt(3): M_MMAP_THRESHOLD is -3, M_TRIM_THRESHOLD -1
    assert library.calls == [("mallopt", "-3", most), ("mallopt", "-1", "2147483647")]


def test_all_that_is_free_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Glibc()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    give_back_freed_memory()
    assert library.calls == [("malloc_trim", "0")]


@pytest.mark.parametrize("change", [keep_freed_memory, give_back_freed_memory])
def test_another_c_library_is_left_alone(change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    change()
