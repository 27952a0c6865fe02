"""`sepm figures` on two finished runs of a tiny model."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.cli import main

FIGURES = (
    *("figure-4", "figure-5", "figure-6", "flips"),
    *("confusion-zero-shot", "confusion-sepm", "confusion-difference"),
    "risk-coverage",
)


@pytest.fixture(scope="module")
def folders(finished: Any) -> list[str]:
    return [str(finished[name].folder) for name in ("zero-shot", "sepm")]


def test_all_figures_that_two_runs_give_are_written(
    folders: list[str], scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = ["--image-folder", str(scenes.image_folder)]
    assert main(["figures", *folders, *images, "--output", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    folder = tmp_path / "emoset" / "llava-tiny"
    names = {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    assert {path.name for path in folder.iterdir()} == {*names, "flips.csv"}
    assert sorted(told["files"]) == sorted(map(str, folder.iterdir()))
    assert [text.split(": ")[0] for text in told["not_drawn"]] == ["emoset, llava-tiny, figure-3"]
    with Image.open(folder / "figure-4.png") as image:
        assert image.width > 1000


def test_figure_4_shows_the_samples_asked_for(
    folders: list[str], scenes: Any, tmp_path: Path
) -> None:
    images = ["--image-folder", str(scenes.image_folder)]
    heights = []
    for ids in (["fear/fear_00006.png"], ["fear/fear_00006.png", "awe/awe_00002.png"]):
        command = ["figures", *folders, *images, "--figure", "4", "--samples", *ids]
        assert main([*command, "--output", str(tmp_path)]) == 0
        with Image.open(tmp_path / "emoset" / "llava-tiny" / "figure-4.png") as image:
            heights.append(image.height)
    assert heights[1] > 1.7 * heights[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--figure", "7"], "unknown figure '7'"),
        (["--figure", "4"], "figure-4: needs --image-folder"),
        (["--figure", "3"], "figure-3: needs sepm sensitivity, or runs that differ in α or β"),
        (["--image-folder", "webemo7=."], "--image-folder webemo7=.: the runs are of emoset"),
        (["--image-folder", "{empty}", "--figure", "4"], "no such file; is"),
        (
            ["--image-folder", "{images}", "--figure", "4", "--samples", "fear/fear_0006.png"],
            "did you mean 'fear/fear_00006.png'?",
        ),
        (["--per-class", "0"], "--per-class must be at least 1"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_says_why(
    options: list[str],
    message: str,
    folders: list[str],
    scenes: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = [text.format(empty=tmp_path, images=scenes.image_folder) for text in options]
    assert main(["figures", *folders, "--output", str(tmp_path / "new"), *places]) == 2
    assert message in capsys.readouterr().err


def test_a_run_says_where_its_visual_tokens_lie(finished: Any) -> None:
    assert finished["sepm"].accuracy()["visual_tokens"] == {
        "grid": [4, 4],
        "order": "row-major",
        "preprocessing": "pad",
        "input_size": 56,
        "patch_size": 14,
    }
