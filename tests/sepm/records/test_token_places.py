"""Each visual token sees the part of the image that `visual_grid` says, in both families."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from llava import Llava, load_checkpoint
from sepm.records.geometry import VisualGrid

SIZES = {"llava": (56, 28), "vila": (70, 70)}
"""Width and height that preprocessing does not scale, so that no pixel spills over."""


@pytest.fixture(params=SIZES)
def short_sighted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Llava, tuple[int, int]]:
    """A model that reads the tower's embeddings: no patch has looked at another one yet."""
    make = request.getfixturevalue(f"make_{request.param}")
    folder = make(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"mm_vision_select_layer": 0}))
    return load_checkpoint(str(folder)), SIZES[request.param]


def test_a_token_changes_with_the_pixels_of_its_own_rectangle_and_no_others(
    short_sighted: tuple[Llava, tuple[int, int]],
) -> None:
    model, (width, height) = short_sighted
    assert model.visual_grid is not None
    grid = VisualGrid.from_facts(model.visual_grid)
    assert grid.num_tokens == model.max_visual_tokens
    black = Image.new("RGB", (width, height))
    before = model.encode([model.preprocess(black)])[0].features
    seen = 0
    for index in range(grid.num_tokens):
        left, top, right, bottom = (int(edge) for edge in grid.rectangle(index, width, height))
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        pixels[max(top, 0) : max(bottom, 0), left:right] = 255
        (seen_as,) = model.encode([model.preprocess(Image.fromarray(pixels))])
        changed = (seen_as.features - before).abs().amax(dim=1) > 1e-4
        inside = top < height and bottom > 0  # else it looks at the padding
        assert changed.nonzero().flatten().tolist() == ([index] if inside else [])
        seen += inside

    assert seen == {"pad": 8, "resize": 9}[grid.preprocessing]
    assert torch.isfinite(before).all()


def test_the_geometry_of_vilas_real_size_is_told(make_vila, tmp_path: Path) -> None:
    model = load_checkpoint(str(make_vila(tmp_path / "vila", image=384)))

    assert model.max_visual_tokens == 196
    assert model.visual_grid == {
        "grid": [14, 14],
        "order": "column-major",
        "preprocessing": "resize",
        "input_size": 384,
        "patch_size": 14,
    }
