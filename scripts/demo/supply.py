"""Fresh training scenes, drawn by one process while another learns from those before."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from model import image_processor
from scenes import SHAPE_NAMES, make_scene

ROUND_SCENES = 3072
"""Fresh scenes are drawn this many at a time, and each is used `SCENE_USES` times."""
SCENE_USES = 2


@dataclass(frozen=True)
class Round:
    """Scenes of one round as tensors."""

    pixel_values: Tensor
    """float32[n, 3, height, width]."""
    objects: Tensor
    """int64[n, N], the object under each visual token."""
    categories: list[str]
    shapes: list[str]


Batches = Iterator[tuple[Round, np.ndarray]]


def _draw_round(first: int) -> Round:
    """Training scenes from number `first` on."""
    process = image_processor()
    scenes = [make_scene("training", index) for index in range(first, first + ROUND_SCENES)]
    return Round(
        torch.from_numpy(np.stack([process(scene.image) for scene in scenes])),
        torch.from_numpy(np.stack([scene.token_objects for scene in scenes])).long(),
        [scene.category for scene in scenes],
        [SHAPE_NAMES[scene.image.size] for scene in scenes],
    )


def training_batches(
    batch_size: int, rng: np.random.Generator, worker: ProcessPoolExecutor
) -> Batches:
    """A round of scenes and which of them form the batch, without end.

    The worker draws the next round while this one is learned.
    """
    coming = worker.submit(_draw_round, 0)
    for first in count(ROUND_SCENES, ROUND_SCENES):
        drawn, coming = coming.result(), worker.submit(_draw_round, first)
        order = np.concatenate([rng.permutation(ROUND_SCENES) for _ in range(SCENE_USES)])
        for batch in reversed(np.array_split(order, len(order) // batch_size)):
            yield drawn, batch
