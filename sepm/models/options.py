"""The model, and how it computes: options that every command with a model shares."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

Dtype = Literal["auto", "float16", "bfloat16", "float32"]
ConversationName = Literal["auto", "vicuna_v1", "llama_3", "llama_3_fix"]
PositionsName = Literal["auto", "renumbered", "kept"]

DTYPE_HELP = (
    "precision; auto: float32 on a CPU, elsewhere float16, or a transformers checkpoint's own"
)
PROCESSOR_HELP = (
    "settings of a transformers checkpoint's image processor, as name=value: they decide the "
    "number of visual tokens"
)
POSITIONS_HELP = (
    "positions of the visual tokens that stay, of a transformers checkpoint; auto: renumbered "
    "without gaps, kept where they are places in a grid (M-RoPE)"
)
ATTENTION_HELP = (
    "attention of a transformers checkpoint; eager takes much memory, and soft-capping needs it"
)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Checkpoint, device, precision, prompt template, and how images and tokens are read.

    The last three are for checkpoints in transformers' format.
    """

    model_path: Annotated[str, "checkpoint: a local folder or a hub id"]
    device: Annotated[str, "auto, cpu, cuda, cuda:N or mps"] = "auto"
    dtype: Annotated[Dtype, DTYPE_HELP] = "auto"
    vision_dtype: Annotated[Dtype, "precision of the vision tower; auto: the language model's"] = (
        "auto"
    )
    conversation: Annotated[ConversationName, "template of the prompts; auto: the checkpoint's"] = (
        "auto"
    )

    processor: Annotated[tuple[str, ...], PROCESSOR_HELP] = ()
    positions: Annotated[PositionsName, POSITIONS_HELP] = "auto"
    attention: Annotated[Literal["sdpa", "eager"], ATTENTION_HELP] = "sdpa"

    @property
    def name(self) -> str:
        """The checkpoint's name, as results show it.

        It is the last part of the path or hub id; a link keeps the name that it was given. A
        snapshot in the hub's cache (`models--owner--name/snapshots/<commit>`) is named by its
        repository.
        """
        folder = Path(os.path.abspath(os.path.expanduser(self.model_path)))
        return folder.parents[1].name.split("--")[-1] if hub_revision(folder) else folder.name


def hub_revision(folder: Path) -> str | None:
    """Commit of the hub whose snapshot a folder of its cache is; None: it is no such folder."""
    *_, repository, snapshots, commit = ("", "", "", *folder.absolute().parts)
    is_snapshot = snapshots == "snapshots" and repository.startswith("models--")
    return commit if is_snapshot else None
