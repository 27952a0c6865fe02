"""`sepm report` on two finished runs, and the picture of `sepm predict`."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.cli import main


def test_the_page_is_written_for_all_runs_below_a_folder(
    finished: Any, scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, results = tmp_path / "new" / "report.html", finished["sepm"].folder.parents[2]
    images = f"emoset={scenes.image_folder}"
    command = ["report", str(results), "--image-folder", images, "--output", str(output)]
    assert main([*command, "--thumbnails", "8"]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    html = output.read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == 8
    assert "llava-tiny on emoset" in html
    assert str(tmp_path) not in html
    assert str(results) not in html
    shown = f"sepm report {results.name} --image-folder emoset={scenes.image_folder.name} --output"
    assert f"{shown} report.html --thumbnails 8</code>" in html


def test_without_images_the_page_has_no_pictures(finished: Any, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    assert main(["report", str(finished["sepm"].folder), "--output", str(output)]) == 0
    assert "data:image/jpeg" not in output.read_text(encoding="utf-8")


def test_a_folder_without_runs_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "report.html")]) == 2
    assert "holds no finished run" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("method", "columns"), [("sepm", 5), ("zero-shot", 2)])
def test_predict_draws_each_image_s_whole_decision(
    tiny_llava: Path, scenes: Any, tmp_path: Path, method: str, columns: int
) -> None:
    images = sorted(map(str, scenes.image_folder.glob("fear/*.png")))[:2]
    model = ["--model-path", str(tiny_llava), "--device", "cpu", "--method", method]
    sizes = []
    for count in (1, 2):
        picture = tmp_path / f"{count}.png"
        assert main(["predict", *model, *images[:count], "--picture", str(picture)]) == 0
        with Image.open(picture) as image:
            sizes.append(image.size)
    assert sizes[0][0] > 400 * columns
    assert sizes[1][1] > 1.7 * sizes[0][1]


def test_a_picture_of_another_kind_is_refused_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", "--model-path", str(tmp_path / "absent"), "image.png"]
    assert main([*command, "--picture", str(tmp_path / "out.gif")]) == 2
    assert "--picture must end in .png, .svg or .pdf" in capsys.readouterr().err
