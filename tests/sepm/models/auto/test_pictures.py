"""From an evaluation of a family to its figures and its page; one image's decision as a picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.cli import main
from sepm.records.tiled_grid import PLACES_UNKNOWN
from tests.sepm.models.auto.conftest import Family

pytestmark = pytest.mark.usefixtures("short_answers")


@pytest.mark.parametrize(("name", "placed"), [("internvl", True), ("llava_next", False)])
def test_an_evaluation_s_figures_and_page_show_tokens_where_their_places_are_known(
    open_family: Callable[[str], Family],
    name: str,
    placed: bool,
    scenes: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images, results = str(scenes.image_folder), tmp_path / "results"
    model = ["--model-path", str(open_family(name).folder), "--device", "cpu"]
    asked = ["--question-file", str(scenes.question_file), "--image-folder", images, "--limit", "4"]
    command = ["eval", "--method", "zero-shot", "sepm", "--save-scores", *model, *asked]
    assert main([*command, "--output-dir", str(results)]) == 0
    capsys.readouterr()

    folder = tmp_path / "figures"
    drawing = ["figures", str(results), "--image-folder", images, "--output", str(folder)]
    asked = ["--figure", "4", "5"] if placed else []  # what is asked for must be drawn
    assert main([*drawing, *asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (folder / "emoset" / name / "figure-5.png").exists()
    assert (folder / "emoset" / name / "figure-4.png").exists() == placed
    reasons = [text for text in told["not_drawn"] if "figure-4" in text]
    unknown = f"emoset, {name}, figure-4: sepm: {PLACES_UNKNOWN}"
    assert reasons == ([] if placed else [unknown])

    page = tmp_path / "report.html"
    assert main(["report", str(results), "--image-folder", images, "--output", str(page)]) == 0
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == 4
    assert ("thumbnail: " in html) == placed
    assert ("and no picture shows those that are dropped" in html) != placed


@pytest.mark.parametrize(("name", "columns"), [("internvl", 5), ("llava_next", 3)])
def test_a_decision_tells_and_draws_its_image_s_own_tiles(
    open_family: Callable[[str], Family],
    name: str,
    columns: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    family, paths = open_family(name), []
    for width, height in ((96, 64), (64, 96)):
        path = tmp_path / f"{width}.png"
        Image.new("RGB", (width, height), (10, 120, 40)).save(path)
        paths.append(str(path))
    picture = tmp_path / "decision.png"
    command = ["predict", *paths, "--model-path", str(family.folder), "--device", "cpu"]
    assert main([*command, "--json", "--picture", str(picture)]) == 0
    first, second = json.loads(capsys.readouterr().out)
    with Image.open(picture) as image:
        assert 400 * columns < image.width < 600 * columns
    assert ("tiles" in first) == ("tiles" in second) == (name == "internvl")
    if name == "internvl":
        assert [len(decision["tiles"]) for decision in (first, second)] == [5, 3]
        assert [decision["num_visual_tokens"] for decision in (first, second)] == [80, 48]
