"""Writing the demo model in the original LLaVA-1.5 layout, tensor names and all."""

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from model import COMMITTED, DemoModel

TOWER_FOLDER = "vision_tower"


def write_checkpoint(model: DemoModel, folder: Path) -> None:
    """Weights and configurations; the tokenizer's files are already there."""
    (folder / TOWER_FOLDER).mkdir(parents=True, exist_ok=True)
    projector = {f"model.mm_projector.{k}": v for k, v in model.projector.state_dict().items()}
    _save(model.language_model.state_dict() | projector, folder / "model.safetensors")
    _save(_tower_weights(model), folder / TOWER_FOLDER / "model.safetensors")
    for name in ("config.json", "preprocessor_config.json"):
        copy_committed(f"{TOWER_FOLDER}/{name}", folder)
    copy_committed("generation_config.json", folder)
    config = json.loads((COMMITTED / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] = model.language_model.config.vocab_size
    text = json.dumps(config, indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def copy_committed(name: str, folder: Path) -> None:
    """Write a file of the committed checkpoint into a folder, which may be its own."""
    (folder / name).write_bytes((COMMITTED / name).read_bytes())


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    stored = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    save_file(stored, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors leaves the file to its owner alone


def _tower_weights(model: DemoModel) -> dict[str, Tensor]:
    """The tower under the original names, whatever prefix this transformers has in memory."""
    return {
        f"vision_model.{name.removeprefix('vision_model.')}": tensor
        for name, tensor in model.tower.state_dict().items()
        if not name.endswith("position_ids")
    }
