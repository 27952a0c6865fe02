"""Images as they are read, and why some are refused."""

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
from sepm.datasets.check import image_hashes
from sepm.datasets.files import file_sha256
from sepm.datasets.image_files import UnreadableImageError, read_image
from sepm.errors import InputError
from tests.sepm.datasets.trees import write_image

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


# ---- what is refused


def write_half_of_a_jpeg(path: Path) -> None:
    """A file whose header is whole."""
    Image.effect_noise((64, 64), 90).save(path, "JPEG")
    os.truncate(path, path.stat().st_size // 2)


def write_png_of_size(width: int, height: int) -> Callable[[Path], object]:
    """A function that writes a PNG whose header claims a size that its data does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data)


def write_strip(width: int, height: int) -> Callable[[Path], object]:
    return lambda path: Image.new("RGB", (width, height)).save(path, "PNG")


def write_tiff(numbers: type, **options: object) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(RAMP.astype(numbers)).save(path, "TIFF", **options)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "^no such file$"),
    "truncated": (write_half_of_a_jpeg, "truncated"),
    "page": (lambda path: path.write_text("<html>404"), r"^not an image .* read \(9 bytes\)$"),
    "empty": (lambda path: path.write_bytes(b""), r"^not an image that PIL can read \(0 bytes\)$"),
    "folder": (Path.mkdir, "^a folder, not a file$"),
    "pipe": (os.mkfifo, "^a pipe, socket or device, not a file$"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "^a pipe, socket or device, not a"),
    "10_000": (write_png_of_size(10_000, 10_000), "^too many pixels"),
    "30_000": (write_png_of_size(30_000, 30_000), "^too many pixels"),
    "wide": (write_strip(16_000, 2), "the longer side may be 100 times the shorter$"),
    "high": (write_strip(2, 16_000), "the longer side may be 100 times the shorter$"),
    "101": (write_strip(101, 1), "the longer side may be 100 times the shorter$"),
    "int32": (write_tiff(np.int32), "TIFF with numbers of unknown scale"),
    "float32": (write_tiff(np.float32), "TIFF with numbers of unknown scale"),
    "white is 0": (write_tiff(np.uint16, tiffinfo={262: 0}), "TIFF with numbers of unknown scale"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_image_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, kind: str):
    write, reason = BAD[kind]
    write(tmp_path / "a.jpg")
    with pytest.raises(UnreadableImageError, match=reason):
        read_image(tmp_path / "a.jpg")


def test_a_file_far_larger_than_any_image_is_refused_unread(tmp_path: Path):
    (tmp_path / "a.png").touch()
    os.truncate(tmp_path / "a.png", 1 << 40)
    with pytest.raises(UnreadableImageError, match="a file of 1,099,511,627,776 bytes"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "folder/a.png"])
def test_a_broken_link_is_named_with_its_target(tmp_path: Path, name: str):
    (tmp_path / name.partition("/")[0]).symlink_to("gone")
    with pytest.raises(UnreadableImageError, match="is a link to 'gone', where nothing is"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["caf\u00e9/a.png", "awe/\u00fc.png"])
def test_a_name_in_another_unicode_form_is_told(tmp_path: Path, name: str):
    write_image(tmp_path / unicodedata.normalize("NFD", name))
    with pytest.raises(UnreadableImageError, match="has another Unicode form"):
        read_image(tmp_path / name)


# ---- what is read, and as what


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "jpg"), ("L", "jpg"), ("CMYK", "jpg"), ("RGBA", "png"), ("P", "gif")],
)
def test_images_of_every_mode_are_read_in_rgb(tmp_path: Path, mode: str, suffix: str):
    Image.new(mode, (5, 3)).save(tmp_path / f"a.{suffix}")
    image = read_image(tmp_path / f"a.{suffix}")
    assert (image.mode, image.size) == ("RGB", (5, 3))


def test_gray_is_that_gray_in_every_colour(tmp_path: Path):
    Image.new("L", (2, 1), 7).save(tmp_path / "gray.png")
    assert read_image(tmp_path / "gray.png").getpixel((1, 0)) == (7, 7, 7)


def test_a_panorama_is_read(tmp_path: Path):
    Image.new("L", (12_000, 300)).save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png").size == (12_000, 300)


@pytest.mark.parametrize(
    ("name", "order"),
    [("a.png", "=u2"), ("a.tif", "=u2"), ("a.pgm", "=u2"), ("a.jp2", "=u2"), ("a.tif", ">u2")],
)
def test_sixteen_bits_of_gray_are_scaled_to_eight(tmp_path: Path, name: str, order: str):
    Image.fromarray((RAMP.astype(np.uint16) * 257).astype(order)).save(tmp_path / name)
    assert np.array_equal(np.asarray(read_image(tmp_path / name))[..., 0], RAMP)


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


# ---- all images of a question file


def test_each_image_has_its_hash_or_the_reason_why_it_cannot_be_used(tmp_path: Path):
    good = write_image(tmp_path / "good.jpg")
    (tmp_path / "page.jpg").write_text("<html>404")
    names = ["absent.jpg", "good.jpg", "page.jpg"]
    found = image_hashes(names, names[:2], tmp_path, workers=2)
    assert str(found["absent.jpg"]) == "no such file"
    assert found["good.jpg"] == file_sha256(good)
    assert found["page.jpg"] == file_sha256(tmp_path / "page.jpg")  # which is not to be decoded


def test_an_image_that_several_rows_share_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    decoded: list[Path] = []

    def decode(path: Path) -> tuple[None, str]:
        decoded.append(path)
        return None, "sum"

    monkeypatch.setattr(sepm.datasets.check, "read_image_and_hash", decode)
    image_hashes(["a.jpg", "a.jpg"], ["a.jpg"], tmp_path, workers=1)
    assert decoded == [tmp_path / "a.jpg"]


def test_no_worker_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        image_hashes([], [], tmp_path, workers=0)
