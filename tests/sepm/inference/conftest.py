"""A model, some images that it has encoded, and what it computes, counted."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llava import Llava, load_checkpoint
from sepm.datasets.image_files import read_image


@pytest.fixture(scope="module")
def model(tiny_llava: Path) -> Llava:
    return load_checkpoint(str(tiny_llava))


@pytest.fixture(scope="module")
def images(model: Llava, scenes: Any) -> list[Any]:
    """Nine scenes, encoded."""
    paths = sorted(scenes.image_folder.rglob("*.png"))[:9]
    return list(model.encode([model.preprocess(read_image(path)) for path in paths]))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many images, whole prompts, texts behind images, and passes of such texts it computes."""
    counts: Counter[str] = Counter()
    prefix, prefill, behind = Llava.image_prefix, Llava.prefill, Llava.prefill_with_prefix

    def counted_prefix(model: Llava, text_prefix: Any, images: Sequence[Any]) -> Any:
        counts["images"] += len(images)
        return prefix(model, text_prefix, images)

    def counted_prefill(model: Llava, prompts: Sequence[Any], *others: Any, **more: Any) -> Any:
        counts["whole prompts"] += len(prompts)
        return prefill(model, prompts, *others, **more)

    def counted_behind(model: Llava, start: Any, images: Any, prompts: Any, *more: Any) -> Any:
        counts["texts"] += len(images) * len(prompts)
        counts["passes"] += 1
        return behind(model, start, images, prompts, *more)

    monkeypatch.setattr(Llava, "image_prefix", counted_prefix)
    monkeypatch.setattr(Llava, "prefill", counted_prefill)
    monkeypatch.setattr(Llava, "prefill_with_prefix", counted_behind)
    return counts
