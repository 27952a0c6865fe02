"""Runs written by hand, read, and their images."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.datasets.tasks import load_taxonomy
from sepm.method.config import PRESETS
from sepm.report.runs import RunGroup, read_run_groups
from tests.sepm.hand_made import GRID, ROWS, Json, sepm_rows, under

WriteRun = Callable[..., Path]


@pytest.fixture(scope="session")
def write_run() -> WriteRun:
    """A function that writes a run's folder: its method, 40 rows or others, other settings."""

    def write(
        output: Path,
        method: str,
        rows: Iterable[Json] | None = None,
        *,
        model: str = "llava-v1.5-7b",
        dataset: str = "emoset",
        name: str | None = None,
        visual_tokens: Json | None = GRID,
        **settings: Any,
    ) -> Path:
        folder = output / dataset / model / (name or method)
        folder.mkdir(parents=True)
        configuration = {**asdict(PRESETS["paper"]), "dtype": "float32", **settings}
        facts = {
            **{"dataset": dataset, "method": method, "model": model, "preset": "paper"},
            **{"configuration": configuration, "limit": None, "visual_tokens": visual_tokens},
            "timing": {"images_per_second": 12.5},
            "environment": {"python": "3.11.7", "git_commit": "abc"},
            "taxonomy": asdict(load_taxonomy(dataset)),
            "sha256": {"question_file": "0123", "checkpoint": "4567"},
        }
        (folder / "accuracy.json").write_text(json.dumps(facts))
        lines = [
            json.dumps(under(record, configuration)) + "\n" for record in rows or ROWS[method]()
        ]
        (folder / "predictions.jsonl").write_text("".join(lines))
        return folder

    return write


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, write_run: WriteRun) -> Path:
    """A results folder with zero-shot and SEPM over 40 samples."""
    output = tmp_path_factory.mktemp("results")
    for method in ROWS:
        write_run(output, method)
    return output


@pytest.fixture(scope="session")
def group(runs: Path) -> RunGroup:
    """The same, read."""
    return read_run_groups([runs])[0]


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image for each sample: landscape, each of its own grey."""
    folder = tmp_path_factory.mktemp("images")
    for number, record in enumerate(sepm_rows()):
        path = folder / record["image"]
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (60, 40), (5 * number, 80, 120)).save(path)
    return folder


@pytest.fixture(scope="session")
def recorded(runs: Path) -> Callable[[str], list[Json]]:
    """A function that gives the lines of a run's `predictions.jsonl`."""

    def lines(method: str) -> list[Json]:
        path = runs / "emoset" / "llava-v1.5-7b" / method / "predictions.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    return lines


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without figures, which take most of their time."""
    monkeypatch.setattr("sepm.report.page._shown_figures", lambda group, image_folder: [])
