"""Images from disk, decoded whole or refused with a reason."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError


class UnreadableImageError(ValueError):
    """The file cannot be decoded as an image; the message is the reason."""


def read_image(path: Path) -> Image.Image:
    """The image, decoded to its last row, in RGB (an animation's first frame).

    Raises:
        UnreadableImageError: the file is absent, no image, truncated, or over PIL's pixel limit.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(f"too many pixels: {error}") from error
    except FileNotFoundError as error:
        raise UnreadableImageError("no such file") from error
    except UnidentifiedImageError as error:
        reason = f"not an image that PIL can read ({path.stat().st_size} bytes)"
        raise UnreadableImageError(reason) from error
    except Exception as error:
        # Decoders of broken files raise nearly anything: OSError, SyntaxError, IndexError, …
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableImageError(f"cannot be decoded: {reason}") from error
