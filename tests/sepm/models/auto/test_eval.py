"""An evaluation of all methods on each family: its rows, its facts, and where it was cut off."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl

from sepm.cli import main
from sepm.models.auto.decoder_inputs import Positions
from tests.sepm.models.auto.conftest import Family
from tests.tiny_checkpoints.families import image_of

METHODS = ("zero-shot", "zero-shot-cot", "fp", "cci", "cci+fp", "sepm")
GRIDS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v")
pytestmark = pytest.mark.usefixtures("short_answers")
WITHOUT_PLACES = ("llava_next", "llava_onevision", "smolvlm")


def line(family: Family, scenes: Any, output: Path, *options: object) -> list[str]:
    """Command line of an evaluation of six scenes of three sizes."""
    return [
        *("eval", "--method", *METHODS, "--model-path", str(family.folder), "--device", "cpu"),
        *("--question-file", str(scenes.question_file), "--image-folder", str(scenes.image_folder)),
        *("--limit", "6", "--batch-size", "2", "--output-dir", str(output), *map(str, options)),
    ]


def test_all_methods_and_again_after_a_kill(family: Family, scenes: Any, tmp_path: Path) -> None:
    assert main(line(family, scenes, tmp_path, "--save-scores")) == 0
    folders = {path.name: path for path in (tmp_path / "emoset" / family.name).iterdir()}
    assert folders.keys() == set(METHODS)
    rows = {name: (path / "predictions.jsonl").read_bytes() for name, path in folders.items()}
    records = [json.loads(row) for row in rows["sepm"].splitlines()]
    for record in records:
        total = record["num_visual_tokens"]
        assert len(record["dropped"]) == total // 5 if record["dropped"] else total < 5
        assert len(record["foe_scores"]) == total
        assert ("tiles" in record) == (family.name not in WITHOUT_PLACES)
    facts = json.loads((folders["sepm"] / "accuracy.json").read_text())
    expected: Positions = "kept" if family.name in GRIDS else "renumbered"
    assert facts["configuration"]["positions"] == expected
    assert facts["configuration"]["processor"]["class"].endswith("Pil")
    assert facts["rendered_prompts"].keys() == {"coarse", "fine"}
    assert records[0]["coarse"]["prompt"] in facts["rendered_prompts"]["coarse"]

    for name, path in folders.items():  # as a kill in the second window leaves them
        kept = rows[name].splitlines(keepends=True)[: 2 + len(name) % 3]
        (path / "predictions.jsonl").write_bytes(b"".join(kept) + b'{"question_id": "torn')
        (path / "accuracy.json").unlink()
    assert main(line(family, scenes, tmp_path, "--save-scores")) == 0
    again = {name: (path / "predictions.jsonl").read_bytes() for name, path in folders.items()}
    assert again == rows


def test_another_setting_of_the_processor_is_another_run(
    open_family: Any, scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family: Family = open_family("qwen2_5_vl")
    assert main(line(family, scenes, tmp_path)) == 0
    settings = ("--processor", "min_pixels=256", "max_pixels=512")
    assert main(line(family, scenes, tmp_path, *settings)) == 2
    assert "processor" in capsys.readouterr().err
    assert main(line(family, scenes, tmp_path / "smaller", *settings)) == 0
    counts = []
    for output in (tmp_path, tmp_path / "smaller"):
        rows = output / "emoset" / family.name / "sepm" / "predictions.jsonl"
        counts.append(json.loads(rows.read_text().splitlines()[0])["num_visual_tokens"])
    assert counts[1] < counts[0]


def test_an_image_that_the_processor_refuses_is_one_bad_image(
    open_family: Any,
    scenes: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    family: Family = open_family("qwen2_5_vl")
    resized = image_processing_pil_qwen2_vl.smart_resize

    def refusing(height: int, width: int, *args: Any, **options: Any) -> Any:
        if width == 90:
            raise ValueError("such images are not for this model")
        return resized(height, width, *args, **options)

    monkeypatch.setattr(image_processing_pil_qwen2_vl, "smart_resize", refusing)
    names = [question["image"] for question in scenes.questions()[:2]]
    folder = tmp_path / "image"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((scenes.image_folder / name).read_bytes())
    image_of(90, 30).save(folder / names[1])
    options = ("--image-folder", folder, "--limit", "2", "--on-bad-image", "skip")
    assert main(line(family, scenes, tmp_path / "out", *options)) == 0
    rows = tmp_path / "out" / "emoset" / family.name / "sepm" / "predictions.jsonl"
    by_image = {row["image"]: row for row in map(json.loads, rows.read_text().splitlines())}
    assert by_image[names[0]]["status"] != "error"
    assert "processor refuses it" in by_image[names[1]]["error"]
    model = ("predict", "--model-path", str(family.folder), "--device", "cpu")
    assert main([*model, str(folder / names[1])]) == 2
    assert f"{names[1]}: the model's processor refuses it" in capsys.readouterr().err
