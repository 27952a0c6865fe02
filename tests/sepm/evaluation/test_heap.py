"""What is asked of the C library, and that one without these functions is left alone."""

import ctypes

import pytest

from sepm.evaluation.heap import give_back_freed_memory, keep_freed_memory


class Glibc:
    """Notes down how it is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def mallopt(self, parameter: int, value: int) -> int:
        self.calls.append(("mallopt", str(parameter), str(value)))
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.calls.append(("malloc_trim", str(pad)))
        return 1


def test_nothing_that_is_freed_is_trimmed_or_mapped_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Glibc()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    keep_freed_memory()
    # mallopt(3): M_TRIM_THRESHOLD is -1, M_MMAP_THRESHOLD -3
    assert library.calls == [("mallopt", "-1", "2147483647"), ("mallopt", "-3", "2147483647")]


def test_all_that_is_free_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Glibc()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    give_back_freed_memory()
    assert library.calls == [("malloc_trim", "0")]


@pytest.mark.parametrize("change", [keep_freed_memory, give_back_freed_memory])
def test_another_c_library_is_left_alone(change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    change()
