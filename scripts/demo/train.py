"""Train the demo model from nothing on generated scenes, and write its checkpoint.

    python scripts/demo/train.py

Configuration files are those of data/demo/llava-demo; tokenizer and weights begin anew.
First the vision tower learns to tell the pictograms apart, as CLIP is trained before LLaVA is, and
stays as it is from then on; then projector and language model learn to name the emotion, and to
answer the method's queries.
"""

import argparse
import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from checkpoint import write_checkpoint, write_tokenizer
from dialogues import exercises, naming
from llava.conversation import VICUNA_V1
from llava.prompt import PromptTokenizer
from model import DemoModel, image_processor
from packing import ExerciseTokenizer, PackedBatch, pack
from scenes import GRID, OBJECTS, SHAPE_NAMES, make_scene

NUM_TOKENS = GRID * GRID

BATCH_SIZE = 32
"""Scenes in a batch."""
TOWER_STEPS, TOWER_RATE = 1200, 2e-3
"""Batches that teach the vision tower, and its peak learning rate."""
NAMING_STEPS, DIALOGUE_STEPS, RATE = 500, 750, 1e-3
"""Batches that teach to name the emotion, batches of dialogues after that, peak learning rate."""
ROUND_SCENES = 3072
"""Fresh scenes are drawn this many at a time, and each is used `SCENE_USES` times."""
SCENE_USES = 2
SEED = 0
"""Seed of weights, order and wording."""


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


def training_batches(rng: np.random.Generator, worker: ProcessPoolExecutor) -> Batches:
    """A round of scenes and which of them form the batch, without end.

    The worker draws the next round while this one is learned.
    """
    coming = worker.submit(_draw_round, 0)
    for first in count(ROUND_SCENES, ROUND_SCENES):
        drawn, coming = coming.result(), worker.submit(_draw_round, first)
        order = np.concatenate([rng.permutation(ROUND_SCENES) for _ in range(SCENE_USES)])
        for batch in reversed(np.array_split(order, len(order) // BATCH_SIZE)):
            yield drawn, batch


def schedule(step: int, steps: int) -> float:
    """Learning rate relative to its peak: a short linear rise, then half a cosine to zero."""
    warm_up = max(1, steps // 20)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def _optimiser(module: nn.Module, rate: float, steps: int) -> tuple[AdamW, LambdaLR]:
    optimiser = AdamW(module.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    return optimiser, LambdaLR(optimiser, partial(schedule, steps=steps))


def teach_tower(model: DemoModel, batches: Batches) -> None:
    """Teach the tower which object each patch shows; the linear reader is thrown away."""
    reader = nn.Linear(model.tower.config.hidden_size, len(OBJECTS) + 1)
    learning = nn.ModuleList([model.tower, reader])
    optimiser, scheduler = _optimiser(learning, TOWER_RATE, TOWER_STEPS)
    progress = tqdm(range(TOWER_STEPS), desc="vision tower", mininterval=5)
    for _ in progress:
        drawn, batch = next(batches)
        logits = reader(model.vision_features(drawn.pixel_values[batch]))
        loss = functional.cross_entropy(logits.flatten(0, 1), drawn.objects[batch].flatten())
        _update(optimiser, scheduler, loss, model)
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


def teach_dialogues(
    model: DemoModel, batches: Batches, tokenize: ExerciseTokenizer, rng: np.random.Generator
) -> None:
    """Teach projector and language model to name the emotion, then to answer queries too.

    Naming comes first because it is short, so that many scenes are seen: LLaVA's projector is
    likewise aligned on captions before it meets instructions. Some batches miss visual tokens.
    """
    steps = NAMING_STEPS + DIALOGUE_STEPS
    learning = nn.ModuleList([model.projector, model.language_model])
    optimiser, scheduler = _optimiser(learning, RATE, steps)
    progress = tqdm(range(steps), desc="dialogues", mininterval=5)
    for step in progress:
        drawn, batch = next(batches)
        first = step < NAMING_STEPS
        lessons = [
            [tokenize(naming(drawn.categories[i], rng))] if first
            else [tokenize(e) for e in exercises(drawn.categories[i], drawn.shapes[i], rng)]
            for i in batch
        ]  # fmt: skip
        kept = _kept_tokens(len(batch), rng)
        packed = pack(lessons, tokenize.before_image, kept.shape[1])
        loss = _loss(model, drawn.pixel_values[batch], kept, packed)
        _update(optimiser, scheduler, loss, learning)
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


def _kept_tokens(batch_size: int, rng: np.random.Generator) -> Tensor:
    """int64[B, kept], ascending: all visual tokens in most batches, a random part in the others."""
    share = rng.uniform(0, 0.4) if rng.random() < 0.4 else 0.0
    kept = NUM_TOKENS - int(share * NUM_TOKENS)
    orders = rng.permuted(np.tile(np.arange(NUM_TOKENS), (batch_size, 1)), axis=1)
    return torch.from_numpy(np.sort(orders[:, :kept], axis=1))


def _loss(model: DemoModel, pixel_values: Tensor, kept: Tensor, packed: PackedBatch) -> Tensor:
    """Weighted cross entropy of the answers' and the names' tokens."""
    with torch.no_grad():  # the tower is frozen by now, as LLaVA-1.5 keeps CLIP's
        features = model.vision_features(pixel_values)
    visual_tokens = torch.take_along_dim(model.projector(features), kept[..., None], dim=1)
    hidden_states = model(visual_tokens, packed)
    logits = model.language_model.lm_head(hidden_states[packed.rows])
    losses = functional.cross_entropy(logits, packed.targets, reduction="none")
    return (losses * packed.weights).sum() / packed.weights.sum()


def _update(optimiser: AdamW, scheduler: LambdaLR, loss: Tensor, module: nn.Module) -> None:
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimiser.step()
    scheduler.step()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo model and write its checkpoint.")
    parser.add_argument("--output", type=Path, default=Path("data/demo/llava-demo"), help="folder")
    folder, start = parser.parse_args().output, time.monotonic()
    torch.set_num_threads(1)  # the other core draws scenes; and one order of summing everywhere
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    tokenizer = write_tokenizer(folder)
    tokenize = ExerciseTokenizer(PromptTokenizer(tokenizer, VICUNA_V1))
    model = DemoModel(len(tokenizer))
    with ProcessPoolExecutor(1) as worker:
        batches = training_batches(rng, worker)
        teach_tower(model, batches)
        teach_dialogues(model, batches, tokenize, rng)
    write_checkpoint(model, folder)
    print(f"trained in {(time.monotonic() - start) / 60:.1f} minutes, written to {folder}")


if __name__ == "__main__":
    main()
