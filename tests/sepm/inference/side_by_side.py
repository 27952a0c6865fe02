"""Runs about some images, computed side by side and each alone."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sepm.datasets.tasks import load_taxonomy
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.inference.unbatched import run_alone
from sepm.method.dialogue import Dialogue, Sample
from sepm.records.writing import decision_fields
from sepm.registry import MethodRun

EMOSET = load_taxonomy("emoset")
Json = dict[str, Any]


def dialogue_of(run: MethodRun, image: Any) -> Dialogue:
    return run.dialogue(Sample("photo.jpg", image.num_tokens), EMOSET)


def beside_and_alone(
    model: Any, runs: Sequence[MethodRun], images: Sequence[Any], batch_size: int
) -> Iterator[tuple[Json, Json]]:
    """Each run's decision about each image, beside the others in batches and by itself."""
    rows = [(run, index) for run in runs for index in range(len(images))]
    dialogues = [(index, dialogue_of(run, images[index])) for run, index in rows]
    batched = Batcher(batch_size, print).map
    found = dict(run_dialogues(model, dialogues, images, batched, image_once=True))
    fields = partial(decision_fields, taxonomy=EMOSET, save_scores=True)
    for number, (run, index) in enumerate(rows):
        alone = run_alone(model, dialogue_of(run, images[index]), images[index])
        yield fields(found[number]), fields(alone)
