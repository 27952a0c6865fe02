"""Images to measure with: as large as photographs, and all different."""

from pathlib import Path

import numpy as np
from PIL import Image

from sepm.datasets.question_file import Question
from sepm.method.taxonomy import Taxonomy

WIDTH, HEIGHT = 640, 480
COARSE_WIDTH, COARSE_HEIGHT = 16, 12
"""Of the random colours that an image is enlarged from, so that it compresses as a photograph."""


def write_images(folder: Path, number: int, taxonomy: Taxonomy, seed: int) -> list[Question]:
    """Questions about so many new JPEG files of smooth random content, labels in turn."""
    random = np.random.default_rng(seed)
    names = taxonomy.names
    questions: list[Question] = []
    for index in range(number):
        # A tint of each image's own: otherwise all would look alike from far away.
        tint = random.integers(0, 160, 3)
        colours = tint + random.integers(0, 96, (COARSE_HEIGHT, COARSE_WIDTH, 3))
        image = Image.fromarray(colours.astype(np.uint8))
        image = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        name = f"{index:06}.jpg"
        image.save(folder / name, quality=90)
        questions.append(Question(question_id=name, image=name, label=names[index % len(names)]))
    return questions
