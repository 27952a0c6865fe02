import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import sepm.datasets.check
from sepm.datasets.check import find_bad_images
from sepm.datasets.question_file import Question
from sepm.errors import InputError
from sepm.images import UnreadableImageError, read_image


def questions_of(*images: str) -> list[Question]:
    return [Question(f"awe/{n}", image, "awe", None, n + 1) for n, image in enumerate(images)]


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def reason(path: Path) -> str:
    """Why the image at the path is bad."""
    (bad,) = find_bad_images(questions_of(path.name), path.parent, workers=1, progress=False)
    return bad.reason


def test_good_images_of_every_mode_are_not_bad(tmp_path: Path):
    for mode, suffix in (
        ("RGB", "jpg"),
        ("L", "jpg"),
        ("CMYK", "jpg"),
        ("RGBA", "png"),
        ("P", "gif"),
    ):
        Image.new(mode, (5, 3)).save(tmp_path / f"{mode}.{suffix}")
    names = [path.name for path in tmp_path.iterdir()]
    assert find_bad_images(questions_of(*names), tmp_path, workers=2, progress=False) == []


def test_an_image_that_is_not_there_is_bad(tmp_path: Path):
    assert reason(tmp_path / "absent.jpg") == "no such file"


def test_a_truncated_image_is_bad_though_its_header_is_whole(tmp_path: Path):
    whole = tmp_path / "whole.jpg"
    Image.effect_noise((64, 64), 90).save(whole)
    content = whole.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    assert "truncated" in reason(tmp_path / "cut.jpg")


def test_a_page_saved_under_an_image_name_is_bad(tmp_path: Path):
    (tmp_path / "a.jpg").write_text("<html>404")
    assert reason(tmp_path / "a.jpg") == "not an image that PIL can read (9 bytes)"


def test_an_empty_file_is_bad(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert reason(tmp_path / "a.jpg") == "not an image that PIL can read (0 bytes)"


def test_a_folder_in_place_of_an_image_is_bad(tmp_path: Path):
    (tmp_path / "a.jpg").mkdir()
    assert reason(tmp_path / "a.jpg") == "a folder, not a file"


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_an_image_over_pils_pixel_limit_is_bad(tmp_path: Path, side: int):
    (tmp_path / "bomb.png").write_bytes(png_of_size(side, side))
    assert reason(tmp_path / "bomb.png").startswith("too many pixels")


def test_every_row_of_a_bad_image_is_listed_in_order_and_good_ones_are_not(
    tmp_path: Path, write_image: Callable[[Path], Path]
):
    write_image(tmp_path / "good.jpg")
    questions = questions_of("bad.jpg", "good.jpg", "worse.jpg", "bad.jpg")
    bad = find_bad_images(questions, tmp_path, workers=2, progress=False)
    assert [b.question.line for b in bad] == [1, 3, 4]


def test_an_image_that_several_rows_share_is_decoded_once(
    tmp_path: Path, write_image: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
):
    write_image(tmp_path / "a.jpg")
    decoded: list[Path] = []
    monkeypatch.setattr(sepm.datasets.check, "read_image", decoded.append)
    find_bad_images(questions_of("a.jpg", "a.jpg"), tmp_path, workers=1, progress=False)
    assert decoded == [tmp_path / "a.jpg"]


def test_no_worker_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        find_bad_images([], tmp_path, workers=0)


def test_an_image_is_read_in_rgb(tmp_path: Path):
    Image.new("L", (2, 1), 7).save(tmp_path / "grey.png")
    image = read_image(tmp_path / "grey.png")
    assert (image.mode, image.size, image.getpixel((1, 0))) == ("RGB", (2, 1), (7, 7, 7))


def test_an_unreadable_image_is_refused_with_the_reason(tmp_path: Path):
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_image(tmp_path / "absent.png")
