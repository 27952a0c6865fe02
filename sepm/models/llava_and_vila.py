"""LLaVA-1.5 and VILA-1.5 in their original format, as `llava` reads and runs them."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llava import Checkpoint, Llava
from llava.checkpoints.family import inspect_folder
from llava.checkpoints.files import deciding_files, identity_file
from llava.conversation import CONVERSATIONS
from sepm.errors import InputError
from sepm.models.device import Placement
from sepm.models.found import FoundCheckpoint
from sepm.models.options import ModelOptions
from sepm.models.protocol import CLS_ATTENTION, FEATURES, LAYERWISE, PREFIX_SHARING

CAPABILITIES = {
    "llava-1.5": frozenset({LAYERWISE, PREFIX_SHARING, FEATURES, CLS_ATTENTION}),
    "vila-1.5": frozenset({PREFIX_SHARING, FEATURES}),
}
"""Capabilities of each family. VILA's layers could be run one by one too; SparseVLM's budgets are
for another number of visual tokens."""


@dataclass(frozen=True, kw_only=True)
class OriginalCheckpoint(FoundCheckpoint):
    """A checkpoint of the original code."""

    checkpoint: Checkpoint

    @property
    def settings(self) -> dict[str, Any]:
        return {"conversation": self.checkpoint.conversation.name}

    @property
    def template(self) -> str:
        return repr(self.checkpoint.conversation)

    def identity_files(self) -> dict[str, Path]:
        """Files that make the model, by name; those of a tower elsewhere as if it were inside."""
        named: dict[str, Path] = {}
        for folder in self.checkpoint.folders:
            place = Path(os.path.relpath(folder, self.folder))
            if ".." in place.parts:
                place = Path("vision_tower")
            files = deciding_files(folder)
            named |= {(place / path.relative_to(folder)).as_posix(): path for path in files}
        return named

    def load(self, place: Placement) -> Llava:
        return self.checkpoint.load(
            device=place.device, dtype=place.dtype, vision_dtype=place.vision_dtype
        )


def inspect_original(
    folder: Path, stored: dict[str, Any], options: ModelOptions
) -> OriginalCheckpoint:
    """The checkpoint of a folder, given its `config.json`.

    Raises:
        CheckpointError: it is of another family, or incomplete.
        InputError: an option is not for it.
    """
    found = inspect_folder(folder, stored)
    given = {"processor": (), "positions": "auto", "attention": "sdpa"}
    for name, default in given.items():
        if getattr(options, name) != default:
            raise InputError(
                f"--{name} is for checkpoints in transformers' format; {folder} is a "
                f"{found.family} in its original one"
            )
    if options.conversation != "auto":
        template = CONVERSATIONS[options.conversation]
        found = replace(found, conversation=template, conversation_source="option")
    return OriginalCheckpoint(
        checkpoint=found,
        folder=folder,
        description=f"a {found.family}",
        num_layers=found.num_layers,
        identity=identity_file(found.folders[0]),
        capabilities=CAPABILITIES[found.family],
        template_source=found.conversation_source,
        notes=_notes(found),
    )


def _notes(found: Checkpoint) -> tuple[str, ...]:
    """Notes on how a checkpoint is read; one where its template is a guess."""
    if found.conversation_source != "default":
        return found.notes
    template = (
        "this VILA-1.5 does not tell the prompt template that it was trained with (it calls "
        f"itself '{found.recorded_name}'); {found.conversation.name} is used. "
        "--conversation llama_3_fix is that of the -Fix re-release"
    )
    return (*found.notes, template)
