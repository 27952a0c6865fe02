import os
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import sepm.datasets.check
from sepm.datasets.check import find_bad_images
from sepm.datasets.image_files import UnreadableImageError, read_image
from sepm.datasets.question_file import Question
from sepm.errors import InputError


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


@pytest.mark.parametrize("size", [(16_000, 2), (2, 16_000), (101, 1)])
def test_a_strip_is_bad(tmp_path: Path, size: tuple[int, int]):
    Image.new("RGB", size).save(tmp_path / "strip.png")
    assert reason(tmp_path / "strip.png").endswith("the longer side may be 100 times the shorter")


def test_a_panorama_is_good(tmp_path: Path):
    Image.new("L", (12_000, 300)).save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png").size == (12_000, 300)


def test_a_pipe_and_a_device_are_bad_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    assert reason(tmp_path / "pipe.png") == "a pipe, socket or device, not a file"
    assert reason(tmp_path / "endless.png") == "a pipe, socket or device, not a file"


def test_a_file_far_larger_than_any_image_is_bad_unread(tmp_path: Path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 40)
    assert "a file of 1,099,511,627,776 bytes" in reason(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "folder/a.png"])
def test_a_broken_link_is_named_with_its_target(tmp_path: Path, name: str):
    (tmp_path / name.partition("/")[0]).symlink_to("gone")
    with pytest.raises(UnreadableImageError, match="is a link to 'gone', where nothing is"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["caf\u00e9/a.png", "awe/\u00fc.png"])
def test_a_name_in_another_unicode_form_is_told(
    tmp_path: Path, write_image: Callable[[Path], Path], name: str
):
    write_image(tmp_path / unicodedata.normalize("NFD", name))
    with pytest.raises(UnreadableImageError, match="has another Unicode form"):
        read_image(tmp_path / name)


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

    def decode(path: Path) -> tuple[None, str]:
        decoded.append(path)
        return None, "sum"

    monkeypatch.setattr(sepm.datasets.check, "read_image_and_hash", decode)
    find_bad_images(questions_of("a.jpg", "a.jpg"), tmp_path, workers=1, progress=False)
    assert decoded == [tmp_path / "a.jpg"]


def test_no_worker_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        find_bad_images([], tmp_path, workers=0)


def test_an_image_is_read_in_rgb(tmp_path: Path):
    Image.new("L", (2, 1), 7).save(tmp_path / "grey.png")
    image = read_image(tmp_path / "grey.png")
    assert (image.mode, image.size, image.getpixel((1, 0))) == ("RGB", (2, 1), (7, 7, 7))


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm", "a.jp2"])
def test_sixteen_bits_of_gray_are_scaled_to_eight(tmp_path: Path, name: str):
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / name)
    assert np.array_equal(np.asarray(read_image(tmp_path / name))[..., 0], RAMP)


def test_big_endian_sixteen_bits_are_scaled_to_eight(tmp_path: Path):
    Image.fromarray((RAMP.astype(np.uint16) * 257).astype(">u2")).save(tmp_path / "a.tif")
    assert np.array_equal(np.asarray(read_image(tmp_path / "a.tif"))[..., 0], RAMP)


@pytest.mark.parametrize("numbers", [np.int32, np.float32])
def test_numbers_without_a_scale_are_refused(tmp_path: Path, numbers: type):
    Image.fromarray(RAMP.astype(numbers)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableImageError, match="TIFF with numbers of unknown scale"):
        read_image(tmp_path / "a.tif")


def test_sixteen_bits_whose_white_is_zero_are_refused(tmp_path: Path):
    Image.fromarray(RAMP.astype(np.uint16)).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert "unknown scale" in reason(tmp_path / "a.tif")


def test_a_pngs_long_texts_and_large_profile_do_not_matter(tmp_path: Path):
    texts = PngInfo()
    texts.add_text("plain", "x" * 70_000_000)
    texts.add_text("packed", "x" * 5_000_000, zip=True)
    texts.add_itxt("workflow", "x" * 5_000_000, zip=True)
    Image.fromarray(RAMP).save(tmp_path / "a.png", pnginfo=texts, icc_profile=bytes(5_000_000))
    assert np.array_equal(np.asarray(read_image(tmp_path / "a.png"))[..., 0], RAMP)


def test_transparency_is_dropped_and_the_colours_below_stay(tmp_path: Path):
    palette = Image.fromarray(RAMP).convert("P")
    palette.save(tmp_path / "palette.png", transparency=bytes(range(256)))
    Image.fromarray(RAMP).convert("RGBA").save(tmp_path / "rgba.png")
    Image.merge("LA", [Image.fromarray(RAMP)] * 2).save(tmp_path / "la.png")
    for name in ("palette.png", "rgba.png", "la.png"):
        assert np.array_equal(np.asarray(read_image(tmp_path / name))[..., 2], RAMP)


def test_orientation_in_exif_turns_nothing(tmp_path: Path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (4, 2)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").size == (4, 2)


def test_an_animation_is_its_first_frame_and_a_wrong_suffix_does_not_matter(tmp_path: Path):
    frames = [Image.new("L", (3, 3), gray) for gray in (10, 20)]
    frames[0].save(tmp_path / "a.jpg", "GIF", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.jpg").getpixel((0, 0)) == (10, 10, 10)


def test_an_unreadable_image_is_refused_with_the_reason(tmp_path: Path):
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_image(tmp_path / "absent.png")
