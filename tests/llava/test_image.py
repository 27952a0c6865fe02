"""Preprocessing gives the original code's pixels, bit for bit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

import llava.image
from llava import Llava, load_checkpoint
from llava.image import ImageProcessor

SIDE = 56
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
BACKGROUND = (122, 116, 104)


def reference_pixels(image: Image.Image, *, pad: bool) -> np.ndarray:
    """The original preprocessing in plain Pillow and NumPy, float32[3, 56, 56]."""
    image = image.convert("RGB")
    width, height = image.size
    if pad:
        side = max(width, height)
        square = Image.new("RGB", (side, side), BACKGROUND)
        square.paste(image, ((side - width) // 2, (side - height) // 2))
        image, width, height = square, side, side
    shorter = min(width, height)
    size = (int(SIDE * width / shorter), int(SIDE * height / shorter))
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    image = image.crop((left, top, left + SIDE, top + SIDE))
    scaled = (np.asarray(image) * (1 / 255)).astype(np.float32)
    return ((scaled - MEAN) / STD).transpose(2, 0, 1)


def noise(width: int, height: int, mode: str) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA") if mode == "RGBA" else Image.fromarray(pixels[..., :3])
    return image.convert(mode)


@pytest.fixture(scope="module")
def cropping_model(make_llava, tmp_path_factory: pytest.TempPathFactory) -> Llava:
    folder = tmp_path_factory.mktemp("crop") / "llava-tiny"
    return load_checkpoint(str(make_llava(folder, image_aspect_ratio=None)))


SIZES = [(90, 60), (60, 90), (56, 56), (57, 31), (31, 57), (7, 100), (20, 20), (57, 58)]
SIZES += [(300, 200), (200, 300), (2, 900), (900, 2), (1, 1)]


@pytest.mark.parametrize("pad", [True, False], ids=["padded", "longer side cropped"])
@pytest.mark.parametrize("size", SIZES)
def test_pixels_equal_those_of_pillow_and_numpy(
    model: Llava, cropping_model: Llava, pad: bool, size: tuple[int, int]
) -> None:
    image = noise(*size, mode="RGB")
    pixels = (model if pad else cropping_model).preprocess(image)

    assert np.array_equal(pixels, reference_pixels(image, pad=pad))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_images_of_other_modes_become_rgb_first(model: Llava, mode: str) -> None:
    image = noise(45, 30, mode=mode)

    assert np.array_equal(model.preprocess(image), reference_pixels(image, pad=True))


def test_strips_take_no_square_of_their_length() -> None:
    taken = """
import resource, runpy, sys
from PIL import Image
padded_and_resized = runpy.run_path(sys.argv[1])["padded_and_resized"]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for size in ((8000, 100), (100, 8000)):
    padded_and_resized(Image.new("RGB", size), (56, 56), (0, 0, 0), Image.Resampling.BICUBIC)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", taken, llava.image.__file__]  # by itself: without torch
    run = subprocess.run(command, capture_output=True, check=True)

    assert int(run.stdout) < 50_000  # kB; the square takes 192,000


def test_without_resizing_the_padded_square_is_cropped() -> None:
    kept = CLIPImageProcessorPil(do_resize=False, crop_size={"height": 56, "width": 56})
    pixels = ImageProcessor(kept, "pad")(Image.new("RGB", (100, 20), (255, 255, 255)))
    white = [y for y in range(56) if pixels[0, y, 28] > 1.9]

    assert white == list(range(18, 38))  # rows 40 to 59 of 100, less the 22 that are cut


def test_integer_sizes_of_old_preprocessor_files_mean_the_same(
    model: Llava, make_llava, tmp_path: Path
) -> None:
    old = load_checkpoint(str(make_llava(tmp_path / "llava-tiny", full_clip=True)))
    image = noise(57, 31, mode="RGB")

    assert np.array_equal(old.preprocess(image), model.preprocess(image))


def test_pixels_are_float32_and_leave_the_image_as_it_was(model: Llava) -> None:
    image = noise(45, 30, mode="L")
    before = image.tobytes()

    assert model.preprocess(image).dtype == np.float32
    assert image.mode == "L"
    assert image.tobytes() == before
