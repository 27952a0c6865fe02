"""Changes to the files of a tiny checkpoint, and the message with which it is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from llava import CheckpointError, load_checkpoint

EditWeights = Callable[[dict[str, Tensor]], object]


def assert_refused(folder: Path | str, expected: str) -> None:
    """A checkpoint is refused with a message, in which `…` stands for any text."""
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(str(folder))
    pattern = ".*".join(map(re.escape, expected.split("…")))
    assert re.fullmatch(pattern, str(error.value), re.DOTALL), str(error.value)


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON object; those set to Ellipsis go."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def edit_weights(folder: Path, change: EditWeights, name: str = "model.safetensors") -> None:
    """Change the tensors of one weight file in place."""
    weights = load_file(folder / name)
    change(weights)
    save_file(weights, folder / name)
