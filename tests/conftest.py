"""What all tests start from, and tiny checkpoints that they may load."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tiny_checkpoints import Variant, VilaVariant, write_llava, write_vila

MakeCheckpoint = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A script's background command ignores SIGINT, and so would all processes of the tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def make_llava() -> MakeCheckpoint:
    """A function that writes a tiny LLaVA-1.5 to a new folder: `make_llava(folder, kv_heads=2)`.

    Keyword arguments are the fields of `Variant`.
    """
    return lambda folder, **changes: write_llava(folder, replace(Variant(), **changes))


@pytest.fixture(scope="session")
def make_vila() -> MakeCheckpoint:
    """The same for VILA-1.5 and the fields of `VilaVariant`."""
    return lambda folder, **changes: write_vila(folder, replace(VilaVariant(), **changes))


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory, make_llava: MakeCheckpoint) -> Path:
    """A LLaVA-1.5 of 16 visual tokens whose answers and confidences differ between images."""
    return make_llava(tmp_path_factory.mktemp("checkpoint") / "llava-tiny")


@pytest.fixture(scope="session")
def tiny_vila(tmp_path_factory: pytest.TempPathFactory, make_vila: MakeCheckpoint) -> Path:
    """A VILA-1.5 of 9 visual tokens whose answers and confidences differ between images."""
    return make_vila(tmp_path_factory.mktemp("checkpoint") / "vila-tiny")
