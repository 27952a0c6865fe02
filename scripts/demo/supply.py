"""Fresh training scenes, drawn by one process while another learns from those before."""

from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model import image_processor
from scenes import make_scene

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


def _draw_round(first: int) -> Round:
    """Training scenes from number `first` on."""
    process = image_processor()
    scenes = [make_scene("training", index) for index in range(first, first + ROUND_SCENES)]
    return Round(
        torch.from_numpy(np.stack([process(scene.image) for scene in scenes])),
        torch.from_numpy(np.stack([scene.token_objects for scene in scenes])).long(),
        [scene.category for scene in scenes],
        [_shape(*scene.image.size) for scene in scenes],
    )


def _shape(width: int, height: int) -> str:
    return "square" if width == height else "landscape" if width > height else "portrait"


class SceneSupply:
    """An endless supply of training scenes in batches, each scene used a few times."""

    def __init__(
        self, batch_size: int, rng: np.random.Generator, worker: ProcessPoolExecutor
    ) -> None:
        self.batch_size = batch_size
        self._rng = rng
        self._worker = worker
        self._drawn = 0
        self._coming = self._order_round()
        self._batches: list[np.ndarray] = []

    def next(self) -> tuple[Round, np.ndarray]:
        """A round of scenes, and which of them form the batch."""
        if not self._batches:
            self._round = self._coming.result()
            self._coming = self._order_round()
            order = np.concatenate([self._rng.permutation(ROUND_SCENES) for _ in range(SCENE_USES)])
            self._batches = np.array_split(order, len(order) // self.batch_size)
        return self._round, self._batches.pop()

    def _order_round(self) -> Future[Round]:
        """The next round, drawn by the worker while this one is learned."""
        self._drawn += ROUND_SCENES
        return self._worker.submit(_draw_round, self._drawn - ROUND_SCENES)
