"""Images from disk, decoded whole or refused with a reason; their hashes."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

MOST_PIXELS = 89_478_485
"""A quarter of a gigabyte in RGB; PIL's own default, which warns of more and goes on."""

MOST_ELONGATED = 100
"""Largest ratio of the longer side to the shorter: scaled to a model's input, strips grow."""

MOST_BYTES = 1 << 30
"""Size of the largest file that is read."""

SECONDS_TO_READ = 600
"""After that long without an image, its disk or network is taken to be gone."""

SIXTEEN_BITS = ("PNG", "PPM", "JPEG2000")
"""Formats whose gray above 8 bits PIL gives as 0 to 65535, whatever mode it calls it."""


class UnreadableImageError(ValueError):
    """The file cannot be decoded as an image; the message is the reason."""


def read_image(path: Path) -> Image.Image:
    """The image, decoded to its last row, in RGB (an animation's first frame).

    Transparency is dropped and EXIF orientation left alone, as LLaVA's `convert("RGB")` does.

    Raises:
        UnreadableImageError: no plain file, no image, truncated, over a limit of this module, or
            of a depth that has no scale.
    """
    return read_image_and_hash(path)[0]


def read_image_and_hash(path: Path) -> tuple[Image.Image, str]:
    """The image, and the SHA-256 of the very bytes that it was decoded from.

    Raises:
        UnreadableImageError: as `read_image`.
    """
    content = _content(path)
    with _refusals(content), Image.open(BytesIO(content)) as image:
        _check_size(*image.size)
        return _in_rgb(image), hashlib.sha256(content).hexdigest()


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image as its file tells them, which is not decoded.

    Raises:
        UnreadableImageError: no plain file, or no image.
    """
    content = _content(path)
    with _refusals(content), Image.open(BytesIO(content)) as image:
        return image.size


def as_if_read(image: Image.Image) -> Image.Image:
    """An image from elsewhere as `read_image` gives one: decoded, in RGB, within the same limits.

    Raises:
        UnreadableImageError: as `read_image`.
    """
    with _refusals():
        _check_size(*image.size)
        return _in_rgb(image.copy())


def image_hash(path: Path) -> str:
    """SHA-256 of an image file's bytes, which are not decoded.

    Raises:
        UnreadableImageError: it is no plain file, or cannot be read.
    """
    return hashlib.sha256(_content(path)).hexdigest()


@contextmanager
def _refusals(content: bytes = b"") -> Generator[None]:
    """Within it, what PIL raises about a file's content is an UnreadableImageError."""
    try:
        yield
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(f"too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        reason = f"not an image that PIL can read ({len(content)} bytes)"
        raise UnreadableImageError(reason) from error
    except Exception as error:
        # Decoders of broken files raise nearly anything: OSError, SyntaxError, IndexError, …
        raise UnreadableImageError(f"cannot be decoded: {_reason(error)}") from error


def _content(path: Path) -> bytes:
    """The file's bytes; raises UnreadableImageError where it is no plain or readable file."""
    if fault := file_fault(path):
        raise UnreadableImageError(fault)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def file_fault(path: Path) -> str | None:
    """Reason why there is no plain file to read, or None; nothing is opened, no pipe waited for."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return _broken_link(path) or _other_unicode_form(path) or "no such file"
    except OSError as error:
        return _broken_link(path) or f"cannot be read: {error.strerror}"
    if stat.S_ISDIR(status.st_mode):
        return "a folder, not a file"
    if not stat.S_ISREG(status.st_mode):
        return "a pipe, socket or device, not a file"
    if status.st_size > MOST_BYTES:
        return f"a file of {status.st_size:,} bytes; at most {MOST_BYTES:,} are read"
    return None


def _broken_link(path: Path) -> str | None:
    for place in (path, *path.parents):
        if os.path.islink(place) and not os.path.exists(place):
            return f"'{place}' is a link to '{os.readlink(place)}', where nothing is"
    return None


def _other_unicode_form(path: Path) -> str | None:
    """Hint where the name, or that of a folder above, differs only in how accents are composed."""
    while not path.parent.exists():
        path = path.parent
    name = unicodedata.normalize("NFC", path.name)
    if name.isascii() or not path.parent.is_dir():
        return None
    try:
        others = os.listdir(path.parent)
    except OSError:  # a folder that may be entered but not listed
        return None
    if any(unicodedata.normalize("NFC", other) == name for other in others):
        return (
            f"no such file: in {path.parent} the name '{name}' has another Unicode form (NFC or "
            "NFD); rename it, or write the question file anew with `sepm questions`"
        )
    return None


def _check_size(width: int, height: int) -> None:
    """Raise UnreadableImageError for too many pixels, none, or a strip: all memory would go."""
    size = f"{width} × {height}"
    if width * height > MOST_PIXELS:
        raise UnreadableImageError(f"too many pixels: {size}, at most {MOST_PIXELS:,} are decoded")
    if not 0 < max(width, height) <= MOST_ELONGATED * min(width, height):
        raise UnreadableImageError(
            f"{size} pixels; the longer side may be {MOST_ELONGATED} times the shorter"
        )


def _in_rgb(image: Image.Image) -> Image.Image:
    """The image with 8 bits a colour; of 16 bits the higher 8, as PIL does in colour.

    Numbers of no known scale are refused; PIL alone would clip them to white.
    """
    image.info.pop("transparency", None)  # else PIL looks for its place in RGB, and may find none
    if image.mode == "F" or image.mode.startswith("I"):
        if not _is_sixteen_bits(image):
            raise UnreadableImageError(
                f"{image.format} with numbers of unknown scale (mode {image.mode}) for pixels; "
                "save it with 8 bits a colour"
            )
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _is_sixteen_bits(image: Image.Image) -> bool:
    """True if the image's gray runs from 0, black, to 65535."""
    if image.format == "TIFF":
        bits, photometric = (image.getexif().get(tag) for tag in (258, 262))
        return image.mode.startswith("I;16") and (bits, photometric) == (16, 1)
    return image.mode != "F" and image.format in SIXTEEN_BITS


def _skip(stream: PngImagePlugin.PngStream, position: int, length: int) -> bytes:
    assert stream.fp is not None, "open while it is read"
    return stream.fp.read(length)


# PIL refuses a PNG for the size of texts and colour profiles, which nobody here reads.
for _kind in ("tEXt", "zTXt", "iTXt", "iCCP"):
    setattr(PngImagePlugin.PngStream, f"chunk_{_kind}", _skip)
