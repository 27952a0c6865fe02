"""`sepm evidence` on a finished run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sepm.cli import main


def test_tokens_that_were_dropped_are_all_lost(
    finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, cues = finished["sepm"], tmp_path / "cues.json"
    dropped = {key: row["dropped"] for key, row in run.records().items()}
    cues.write_text(json.dumps(dropped))
    assert main(["evidence", str(run.folder), "--maps", str(cues), "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["groups"]
    (found,) = group["runs"]
    rows, columns = run.accuracy()["visual_tokens"]["grid"]
    assert found["relative"] == pytest.approx(rows * columns / len(next(iter(dropped.values()))))
    assert found["relative"] == found["most"]
    assert found["images"] == len(dropped)


def test_maps_are_found_by_name_and_padding_is_told_apart(
    finished: Any, scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for row in scenes.questions()[:6]:
        path = tmp_path / row["image"]
        path.parent.mkdir(exist_ok=True)
        with Image.open(scenes.image_folder / row["image"]) as image:
            Image.fromarray(np.full(image.size[::-1], 200, np.uint8)).save(path)
    command = ["evidence", str(finished["sepm"].folder), "--maps", str(tmp_path)]
    assert main([*command, "--image-folder", str(scenes.image_folder)]) == 0
    text = capsys.readouterr().out
    assert "18 images without a map" in text
    assert "padding aside" in text


def test_maps_of_other_images_are_status_2(
    finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "maps").mkdir()
    runs = str(finished["sepm"].folder)
    assert main(["evidence", runs, "--maps", str(tmp_path / "maps")]) == 2
    assert "no evidence about an image that lost visual tokens" in capsys.readouterr().err
