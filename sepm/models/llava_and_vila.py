"""LLaVA-1.5 and VILA-1.5 in their original format, as `llava` reads and runs them."""

import os
from pathlib import Path

from llava import Checkpoint
from llava.checkpoints.files import deciding_files
from sepm.models.protocol import LAYERWISE

CAPABILITIES = {"llava-1.5": frozenset({LAYERWISE}), "vila-1.5": frozenset[str]()}
"""Capabilities of each family. VILA's layers could be run one by one too; SparseVLM's budgets are
for another number of visual tokens."""


def identity_files(checkpoint: Checkpoint) -> dict[str, Path]:
    """Files that make the model, by name; those of a vision tower elsewhere as if it were inside.

    Raises:
        CheckpointError: one is not there.
    """
    named: dict[str, Path] = {}
    for folder in checkpoint.folders:
        place = Path(os.path.relpath(folder, checkpoint.folder))
        if ".." in place.parts:
            place = Path("vision_tower")
        files = deciding_files(folder)
        named |= {(place / path.relative_to(folder)).as_posix(): path for path in files}
    return named


def notes(checkpoint: Checkpoint) -> list[str]:
    """Notes to the user on how the checkpoint is read; one where its template is a guess."""
    if checkpoint.conversation_source != "default":
        return list(checkpoint.notes)
    template = (
        "this VILA-1.5 does not tell the prompt template that it was trained with (it calls "
        f"itself '{checkpoint.recorded_name}'); {checkpoint.conversation.name} is used. "
        "--conversation llama_3_fix is that of the -Fix re-release"
    )
    return [*checkpoint.notes, template]
