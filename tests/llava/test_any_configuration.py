"""Whatever a value of a checkpoint's JSON files is, it loads and computes, or is refused."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llava import CheckpointError, load_checkpoint

VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 3, 5, 10**9, 10**30, 0.5, -0.5, 1e300, "", "8", "abc", "\0"),
    *([], [1, 2], ["a"], [None], {}, {"a": 1}, {"type": "yarn", "factor": "x"}),
]
FILES = {
    "llava": {
        "config.json": 20,
        "vision_tower/config.json": 8,
        "vision_tower/preprocessor_config.json": 8,
        "tokenizer_config.json": 6,
        "special_tokens_map.json": 4,
    },
    "vila": {
        "config.json": 5,
        "llm/config.json": 8,
        "vision_tower/config.json": 4,
        "llm/tokenizer_config.json": 3,
    },
}
"""How many values of each file are changed."""
ADDED = ("head_dim", "mlp_bias", "sliding_window", "rope_parameters", "quantization_config", "s2")


def changes(family: str, folder: Path) -> list[tuple[str, str, Any]]:
    """A file, a key of it or one that others have, and a value; the same in every run."""
    draw = random.Random(20)
    return [
        (name, draw.choice([*json.loads((folder / name).read_text()), *ADDED]), draw.choice(VALUES))
        for name, number in FILES[family].items()
        for _ in range(number)
    ]


@pytest.mark.parametrize("family", FILES)
def test_a_changed_value_is_borne_or_refused_by_the_file_s_place(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    original: Path = request.getfixturevalue(f"tiny_{family}")
    folder = shutil.copytree(original, tmp_path / "changed")
    for name, key, value in changes(family, original):
        content = json.loads((original / name).read_text())
        (folder / name).write_text(json.dumps(content | {key: value}))
        try:
            assert_computes(folder)
        except CheckpointError as error:
            assert str(folder) in str(error), (name, key, value)  # noqa: PT017
        except Exception as error:
            raise AssertionError(f"{name}: {key} = {value!r}") from error
        shutil.copy(original / name, folder / name)


def assert_computes(folder: Path) -> None:
    model = load_checkpoint(str(folder))
    side = model.vision_tower.image_size
    prompt = model.tokenize("Which?\nA. Positive")
    images = model.encode([np.zeros((3, side, side), np.float32)])
    prefill = model.prefill([prompt], images, [()])
    assert torch.isfinite(prefill.logits).all()
