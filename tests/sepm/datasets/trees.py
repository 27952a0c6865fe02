"""Files of small data sets, written and changed."""

from pathlib import Path

from PIL import Image


def write_image(path: Path) -> Path:
    """Write a 4 × 4 image, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (200, 30, 30)).save(path)
    return path


def replace_text(path: Path, old: str, new: str) -> None:
    """Replace a text that must be in the file."""
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())
