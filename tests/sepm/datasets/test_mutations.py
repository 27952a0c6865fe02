"""Question files and images changed at random: refused with a reason or read, never dropped."""

import io
import random
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sepm.datasets.image_files import UnreadableImageError, read_image
from sepm.datasets.question_file import scan_questions
from sepm.datasets.tasks import load_taxonomy

ROWS = 3 * (
    '{"question_id": "awe/a.jpg", "image": "awe/a.jpg", "category": "awe", "text": "Q?", '
    '"categories": ["awe", "fear"], "votes": {"awe": 2, "fear": 1.5}}\n'
)
PIECES = [*'"{}[],:\\/\n\r\0é', "..", "null", "NaN", "1e999", "\\ud800", "\ufeff", "image", "anger"]


def mutated_text(draw: random.Random) -> str:
    text = list(ROWS)
    for _ in range(draw.randint(1, 5)):
        place = draw.randrange(len(text))
        text[place : place + draw.choice((0, 1, 20))] = draw.choice(PIECES)
    return "".join(text)


@pytest.mark.parametrize("seed", range(10))
def test_every_row_of_a_changed_question_file_is_read_or_named(tmp_path: Path, seed: int):
    path, taxonomy, draw = tmp_path / "q.jsonl", load_taxonomy("emoset"), random.Random(seed)
    for _ in range(30):
        text = mutated_text(draw)
        path.write_text(text, encoding="utf-8", newline="")
        questions, problems = scan_questions(path, taxonomy, tmp_path)
        lines = text.removeprefix("\ufeff").split("\n")
        expected = {number for number, line in enumerate(lines, start=1) if line.strip()}
        assert {q.line for q in questions} | {p.line for p in problems} == expected
        assert not {q.line for q in questions} & {p.line for p in problems}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "JPEG2000", "I;16 PNG"])
def test_a_changed_image_is_decoded_or_refused(tmp_path: Path, kind: str):
    draw, noise = random.Random(kind), np.random.default_rng(0).integers(0, 256, (24, 24, 3))
    mode, content = kind.rpartition(" ")[0], io.BytesIO()
    pixels = noise[..., 0].astype(np.uint16) if mode else noise.astype(np.uint8)
    Image.fromarray(pixels).save(content, kind.rpartition(" ")[2])
    path = tmp_path / "a"
    for _ in range(100):
        changed = bytearray(content.getvalue())
        for _ in range(draw.randint(1, 6)):
            changed[draw.randrange(draw.choice((40, len(changed))))] = draw.randrange(256)
        path.write_bytes(changed)
        with warnings.catch_warnings(action="ignore"), suppress(UnreadableImageError):
            assert read_image(path).mode == "RGB"
