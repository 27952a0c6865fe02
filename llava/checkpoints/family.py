"""Which family a checkpoint is of, told from its files; one way in for both."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from llava.checkpoints.files import locate, read_json, weight_files
from llava.checkpoints.llava import EMBEDDED_TOWER, load_llava
from llava.checkpoints.llava_config import LlavaConfig, read_config
from llava.checkpoints.vila import load_vila
from llava.checkpoints.vila_config import (
    LANGUAGE,
    PARTS,
    is_vila,
    read_vila_config,
    recorded_conversation,
)
from llava.checkpoints.weights import has_weights
from llava.conversation import LLAMA_3, VICUNA_V1, Conversation
from llava.model import Llava

Family = Literal["llava-1.5", "vila-1.5"]
ConversationSource = Literal["family", "recorded name", "default", "option"]

LOADERS: dict[Family, Callable[..., Llava]] = {"llava-1.5": load_llava, "vila-1.5": load_vila}


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a checkpoint without reading a weight."""

    folder: Path
    family: Family
    num_layers: int
    """L, decoder layers of the language model."""
    folders: tuple[Path, ...]
    """All folders that it is read from, the language model's weights first."""
    conversation: Conversation
    """The template of its prompts."""
    conversation_source: ConversationSource
    """What the template is chosen by: the family has one, the recorded name tells, nothing does
    (the likeliest), or the caller."""
    recorded_name: str = ""
    """What a VILA-1.5 says of where it was trained."""
    notes: tuple[str, ...] = ()
    """What its user should know of how it is read."""

    def load(
        self,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        vision_dtype: torch.dtype | None = None,
    ) -> Llava:
        """The model, ready for inference.

        Args:
            device: where all of it goes.
            dtype: of language model and projector.
            vision_dtype: of the vision tower; None: the same.

        Raises:
            CheckpointError: weights are missing, or do not fit.
        """
        return LOADERS[self.family](
            str(self.folder),
            device=device,
            dtype=dtype,
            vision_dtype=vision_dtype,
            conversation=self.conversation,
        )


def inspect_checkpoint(model_path: str) -> Checkpoint:
    """The checkpoint of that name, downloaded where it is a hub id.

    Raises:
        CheckpointError: it is not there, incomplete, or of no known family.
    """
    folder = locate(model_path, "model")
    inspect = _inspect_vila if is_vila(read_json(folder, "config.json")) else _inspect_llava
    return inspect(folder)


def load_checkpoint(
    model_path: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    vision_dtype: torch.dtype | None = None,
    conversation: Conversation | None = None,
) -> Llava:
    """The model of a checkpoint, ready for inference.

    Args:
        model_path: a local folder or a hub id.
        device: where all of it goes.
        dtype: of language model and projector.
        vision_dtype: of the vision tower; None: the same.
        conversation: template of the prompts; None: the checkpoint's.

    Raises:
        CheckpointError: missing, incomplete, of another family, or weights that do not fit.
    """
    found = inspect_checkpoint(model_path)
    if conversation is not None:
        found = replace(found, conversation=conversation)
    return found.load(device=device, dtype=dtype, vision_dtype=vision_dtype)


def _inspect_llava(folder: Path) -> Checkpoint:
    config = read_config(folder)
    weight_files(folder)
    tower = locate(config.mm_vision_tower, "vision tower", inside=folder)
    weight_files(tower)
    return Checkpoint(
        folder,
        "llava-1.5",
        config.language.num_hidden_layers,
        (folder, tower),
        VICUNA_V1,
        "family",
        notes=_tower_notes(folder, config),
    )


def _tower_notes(folder: Path, config: LlavaConfig) -> tuple[str, ...]:
    """Which vision tower is read where flag and weights disagree; the original code does so too."""
    trained, inside = bool(config.unfreeze_mm_vision_tower), has_weights(folder, EMBEDDED_TOWER)
    if trained == inside:
        return ()
    where = f"{folder / 'config.json'} says unfreeze_mm_vision_tower: {str(trained).lower()}"
    if inside:
        return (
            f"the weights hold a vision_tower of their own, but {where}: the one in "
            f"{config.mm_vision_tower} is used. Set it to true to use the one inside",
        )
    return (
        f"{where}, but the weights hold no vision_tower: the one in {config.mm_vision_tower} is "
        "used, which may not be the one that was trained",
    )


def _inspect_vila(folder: Path) -> Checkpoint:
    config = read_vila_config(folder)
    for part in PARTS:
        weight_files(folder / part)
    recorded = recorded_conversation(config.recorded_name)
    return Checkpoint(
        folder,
        "vila-1.5",
        config.language.num_hidden_layers,
        (folder / LANGUAGE, *(folder / part for part in PARTS if part != LANGUAGE), folder),
        recorded or LLAMA_3,
        "recorded name" if recorded else "default",
        config.recorded_name,
    )
