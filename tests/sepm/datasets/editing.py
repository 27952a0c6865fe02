"""Changes to the text of small files."""

from pathlib import Path


def replace_text(path: Path, old: str, new: str) -> None:
    """Replace a text that must be in the file."""
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())
