"""LLaVA-1.5 through the lean forward and through transformers' own: the same decisions."""

import json
from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main
from sepm.datasets.tasks import load_taxonomy
from sepm.inference.unbatched import run_alone
from sepm.method.config import DEFAULT_PRESET, PRESETS
from sepm.method.dialogue import Outcome, Sample
from sepm.models.opening import open_model
from sepm.models.options import ModelOptions
from sepm.registry import METHODS, MethodRun
from tests.tiny_checkpoints import Variant
from tests.tiny_checkpoints.families import image_of
from tests.tiny_checkpoints.twice import write_llava_twice

COMPARED = [name for name in METHODS if name != "sparsevlm"]
SQUARE_IMAGES = [image_of(40, 40, seed) for seed in range(6)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The original layout, and transformers' with the same weights."""
    root = tmp_path_factory.mktemp("twice")
    original, converted = root / "original", root / "converted"
    write_llava_twice(original, converted, Variant())
    return original, converted


@pytest.fixture(scope="module")
def both(folders: tuple[Path, Path]) -> tuple[Any, Any]:
    """The lean model, and transformers' with the same weights."""
    lean, hub = (open_model(ModelOptions(model_path=str(f), device="cpu")) for f in folders)
    assert lean.description != hub.description
    return lean.model, hub.model


def decisions(model: Any, method: str) -> list[Outcome]:
    run, taxonomy = MethodRun(method, PRESETS[DEFAULT_PRESET]), load_taxonomy("emoset")
    outcomes = []
    for number, image in enumerate(SQUARE_IMAGES):
        (encoded,) = model.encode([model.preprocess(image)])
        sample = Sample(str(number), encoded.num_tokens)
        outcomes.append(run_alone(model, run.dialogue(sample, taxonomy), encoded))
    return outcomes


def test_the_prompts_are_the_same(both: tuple[Any, Any]) -> None:
    lean, hub = (model.tokenize("Which emotion?\nA. Awe\nB. Fear") for model in both)
    assert hub.input_ids == lean.input_ids
    assert hub.positions_of(0, 5) == lean.positions_of(0, 5)


@pytest.mark.parametrize("method", COMPARED)
def test_every_method_decides_the_same(both: tuple[Any, Any], method: str) -> None:
    for lean, hub in zip(*(decisions(model, method) for model in both), strict=True):
        assert (hub.reply.letter, hub.reply.text) == (lean.reply.letter, lean.reply.text)
        assert hub.dropped == lean.dropped
        assert hub.reply.probs == pytest.approx(lean.reply.probs, abs=1e-5)
        if lean.coarse is not None:
            assert hub.coarse is not None
            assert hub.coarse.branch == lean.coarse.branch
            if lean.coarse.reply.scores is not None:
                assert hub.coarse.reply.scores == pytest.approx(lean.coarse.reply.scores, abs=1e-5)


def test_decisions_differ_from_image_to_image(both: tuple[Any, Any]) -> None:
    found = decisions(both[0], "sepm")
    assert len({(outcome.reply.letter, outcome.dropped) for outcome in found}) > 1


@pytest.mark.usefixtures("short_answers")
def test_evaluations_write_the_same_decisions(
    folders: tuple[Path, Path], scenes: Any, tmp_path: Path
) -> None:
    square = scenes.questions()[::3]  # the others are padded in one format, cropped in the other
    file = tmp_path / "square.jsonl"
    file.write_text("".join(json.dumps(question) + "\n" for question in square))
    data = ("--question-file", str(file), "--image-folder", str(scenes.image_folder))
    rows = []
    for folder in folders:
        output = tmp_path / folder.name
        given = ("--model-path", str(folder), "--device", "cpu", "--output-dir", str(output))
        assert main(["eval", "--method", *COMPARED, *data, *given]) == 0
        rows.append({path.parent.name: written(path) for path in output.rglob("predictions.jsonl")})
    lean, hub = rows
    assert lean.keys() == set(COMPARED)
    assert all(len(found) == len(square) for found in lean.values())
    assert all(row["dropped"] for row in lean["sepm"].values())
    assert hub == lean


def written(predictions: Path) -> dict[str, dict[str, Any]]:
    """Decisions of a run by question: its rows stand in the order in which batches finished."""
    records = [json.loads(row) for row in predictions.read_text().splitlines()]
    return {
        record["question_id"]: {
            "prediction": record["prediction"],
            "dropped": record["dropped"],
            "branch": record.get("coarse", {}).get("branch"),
        }
        for record in records
    }
