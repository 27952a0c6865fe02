"""A tiny model, opened, and a session over it."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sepm.models.opening import OpenedModel, start_model
from sepm.models.options import ModelOptions
from sepm.web.session import LiveImage, Session

SETTINGS = {"retain": 64, "sparsevlm_layers": (0, 1, 2)}
"""SparseVLM's, for three decoder layers."""


@pytest.fixture(scope="session", autouse=True)
def ports_of_this_process() -> Iterator[None]:
    """Ports that tests in another process do not find free at the same moment."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 7860 + 100 * worker
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("gradio"):
            patch.setattr("sepm.web.server.PORTS", range(first, first + 100))
        yield


@pytest.fixture(scope="session")
def opened(tiny_llava: Path) -> OpenedModel:
    return start_model(ModelOptions(model_path=str(tiny_llava), device="cpu", dtype="float32"))


@pytest.fixture(scope="session")
def session(opened: OpenedModel) -> Session:
    return Session(opened, SETTINGS)


@pytest.fixture(scope="session")
def images(scenes: Any) -> list[Path]:
    """Six image files, two of each shape."""
    return sorted(scenes.image_folder.rglob("*.png"))[:6]


@pytest.fixture
def read(session: Session) -> Callable[[Path], LiveImage]:
    """A function that reads an image anew: nothing has been asked about it."""
    return lambda path: session.read(path, path.name)
