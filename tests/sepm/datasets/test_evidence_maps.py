"""Maps, boxes and tokens as people hand them over."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sepm.datasets.evidence_maps import Boxes, GreyMap, MarkedTokens, PixelBox, read_evidence_maps
from sepm.errors import InputError


def write_map(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, dtype=np.uint8)).save(path)


def test_a_map_bears_the_images_name_whatever_its_suffix(tmp_path: Path) -> None:
    write_map(tmp_path / "joy" / "1.png", [[0, 255], [128, 7]])
    found = read_evidence_maps(tmp_path).find("surprise/joy/1.jpg", "joy/1.jpg")
    assert isinstance(found, GreyMap)
    assert found.values.tolist() == [[0, 255], [128, 7]]


def test_a_map_of_the_images_own_suffix_goes_before(tmp_path: Path) -> None:
    write_map(tmp_path / "joy" / "1.bmp", [[9]])
    write_map(tmp_path / "joy" / "1.png", [[5]])
    found = read_evidence_maps(tmp_path).find("joy/1.bmp", "joy/1.bmp")
    assert isinstance(found, GreyMap)
    assert found.values.item() == 9


@pytest.mark.parametrize("image", ["joy/2.jpg", "../outside.jpg", "/etc/hosts"])
def test_an_image_without_a_map_in_the_folder_has_no_evidence(tmp_path: Path, image: str) -> None:
    write_map(tmp_path / "outside.png", [[255]])
    (tmp_path / "maps").mkdir()
    assert read_evidence_maps(tmp_path / "maps").find(image, image) is None


def test_a_grey_jpeg_saved_in_colour_is_a_map_and_a_coloured_one_is_refused(tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 32 * 32).reshape(32, 32)
    write_map(tmp_path / "grey.jpg", np.stack([grey] * 3, axis=-1))
    found = read_evidence_maps(tmp_path).find("grey.jpg", "grey.jpg")
    assert isinstance(found, GreyMap)
    np.testing.assert_allclose(found.values, grey, atol=6)
    write_map(tmp_path / "heat.png", [[[255, 0, 0]]])
    with pytest.raises(InputError, match=r"heat\.png is in colour"):
        read_evidence_maps(tmp_path).find("heat.png", "heat.png")


def test_a_map_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_text("no image")
    with pytest.raises(InputError, match=r"1\.png: not an image"):
        read_evidence_maps(tmp_path).find("1.jpg", "1.jpg")


def test_a_file_holds_tokens_or_boxes_by_question_id(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    path.write_text(json.dumps({"a": [7, 3, 7], "b": [[0, 1.5, 4, 2]], "c": []}))
    maps = read_evidence_maps(path)
    assert maps.find("a", "x.jpg") == MarkedTokens((3, 7))
    assert maps.find("b", "x.jpg") == Boxes((PixelBox(0, 1.5, 4, 2),))
    assert maps.find("c", "x.jpg") == MarkedTokens(())
    assert maps.find("d", "a") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", "Expected `object`"),
        ('{"a": [-1]}', "Expected `int` >= 0"),
        ('{"a": [[1, 2, 3]]}', "at least length 4"),
        ('{"a": [1, [0, 0, 1, 1]]}', "both visual tokens and boxes for 'a'"),
        ('{"a": [[4, 0, 4, 1]]}', "no rectangle from left"),
        ("{", "truncated"),
    ],
)
def test_a_file_of_anything_else_is_refused_with_what_was_expected(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "marks.json"
    path.write_text(content)
    with pytest.raises(InputError, match=said) as raised:
        read_evidence_maps(path)
    assert "by question id" in str(raised.value)
