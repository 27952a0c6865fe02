"""Runs written by hand: records whose every number a test can recompute, without a model."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.datasets.tasks import load_taxonomy
from sepm.method.confidence import choose_branch, confidence, is_ambiguous
from sepm.method.config import PRESETS
from sepm.method.dropping import num_dropped
from sepm.report.runs import RunGroup, read_run_groups

Json = dict[str, Any]

CLASSES = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
POSITIVE = ("amusement", "awe", "contentment", "excitement")
GRID = {
    "grid": [4, 4],
    "order": "row-major",
    "preprocessing": "pad",
    "input_size": 56,
    "patch_size": 14,
}


def row(
    label: str, number: int, prediction: str | None, p_a: float | None = None, **changes: Any
) -> Json:
    """A record; with p_a, one of two stages (p_B = 1 - p_A), whose gate `under` adds."""
    key = f"{label}/{label}_{number:05}.png"
    letters = {name: chr(ord("A") + i) for i, name in enumerate(CLASSES)}
    probs = dict.fromkeys(letters.values(), 0.05)
    if prediction:
        probs[letters[prediction]] = 0.5 + number / 1000
    coarse = {}
    if p_a is not None:
        coarse["coarse"] = {
            "prompt": "coarse?",
            "text": "A" if p_a >= 0.5 else "B",
            "read": "letter",
            "p_a": p_a,
            "p_b": 1 - p_a,
            "off_menu": False,
        }
        coarse["foe_scores"] = [(number * 7 + i * 5) % 16 / 100 for i in range(16)]
    return {
        "question_id": key,
        "image": key,
        "label": label,
        "prediction": prediction,
        "correct": prediction == label,
        "status": "ok" if prediction else "unread",
        **coarse,
        "dropped": [1, 6, 11] if coarse else [],
        "fine": {
            "prompt": "fine?",
            "text": letters[prediction] if prediction else "a lovely day",
            "read": "letter" if prediction else None,
            "probs": probs,
        },
        **changes,
    }


def under(record: Json, settings: Json) -> Json:
    """A record of two stages as it would be with a run's α, variance and β."""
    if "coarse" not in record:
        return record
    p_a, p_b = record["coarse"]["p_a"], record["coarse"]["p_b"]
    value = confidence(p_a, p_b, settings["variance"])
    ambiguous = is_ambiguous(value, settings["alpha"], settings["ambiguous_when"])
    branch = choose_branch(record["coarse"]["text"], p_a, p_b, ambiguous=ambiguous)
    probs = {
        letter: record["fine"]["probs"].get(letter, 0.05)
        for letter, name in zip("ABCDEFGH", CLASSES, strict=True)
        if ambiguous or (name in POSITIVE) == (branch == "positive")
    }
    dropped = record["dropped"]
    if len(dropped) != (due := num_dropped(settings["beta"], 16)):
        dropped = list(range(due))
    return {
        **record,
        "coarse": {**record["coarse"], "confidence": value, "branch": branch},
        "dropped": dropped,
        "fine": {**record["fine"], "probs": probs},
    }


def zero_shot_rows(per_class: int = 5) -> list[Json]:
    """Of each class all but the first one or two are taken for anger."""
    return [
        row(label, i, label if i < 1 + (label in POSITIVE) else "anger")
        for label in CLASSES
        for i in range(per_class)
    ]


def sepm_rows(per_class: int = 5) -> list[Json]:
    """Confidence grows with the number; the last row of each class is wrong, one is unread."""
    rows = []
    for label in CLASSES:
        for i in range(per_class):
            distance = 0.5 * (i + 1) / per_class
            said = label if i < per_class - 1 else "fear"
            toward = distance if (label in POSITIVE) == (i != 0) else -distance
            rows.append(row(label, i, said, 0.5 + toward))
    rows[3] = row("amusement", 3, None, 0.9)
    return rows


WriteRun = Callable[..., Path]


@pytest.fixture(scope="session")
def write_run() -> WriteRun:
    """A function that writes a run's folder: its method, rows, and settings that differ."""

    def write(
        output: Path,
        method: str,
        rows: Iterable[Json],
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
            "dataset": dataset,
            "method": method,
            "model": model,
            "preset": "paper",
            "configuration": configuration,
            "limit": None,
            "timing": {"images_per_second": 12.5},
            "environment": {"python": "3.11.7", "git_commit": "abc"},
            "visual_tokens": visual_tokens,
            "taxonomy": asdict(load_taxonomy(dataset)),
            "sha256": {"question_file": "0123", "checkpoint": "4567"},
        }
        (folder / "accuracy.json").write_text(json.dumps(facts))
        lines = [json.dumps(under(record, configuration)) + "\n" for record in rows]
        (folder / "predictions.jsonl").write_text("".join(lines))
        return folder

    return write


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, write_run: WriteRun) -> Path:
    """A results folder with zero-shot and SEPM over 40 samples."""
    output = tmp_path_factory.mktemp("results")
    write_run(output, "zero-shot", zero_shot_rows())
    write_run(output, "sepm", sepm_rows())
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
