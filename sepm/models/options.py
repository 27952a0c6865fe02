"""The model, and how it computes: options that every command with a model shares."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Dtype = Literal["auto", "float16", "bfloat16", "float32"]
ConversationName = Literal["auto", "vicuna_v1", "llama_3", "llama_3_fix"]
PositionsName = Literal["auto", "renumbered", "kept"]


@dataclass(frozen=True, kw_only=True)
class CheckpointOptions:
    """Checkpoint, device, prompt template, and how images and tokens are read.

    The last three are for checkpoints in transformers' format.
    """

    model_path: str
    """Checkpoint: a local folder or a hub id."""
    device: str = "auto"
    """Device: auto, cpu, cuda, cuda:N or mps."""
    conversation: ConversationName = "auto"
    """Template of the prompts; auto: the checkpoint's."""
    processor: tuple[str, ...] = ()
    """Settings of a transformers checkpoint's image processor, as name=value: they decide the
    number of visual tokens."""
    positions: PositionsName = "auto"
    """Positions of the visual tokens that stay, of a transformers checkpoint; auto: renumbered
    without gaps, kept where they are places in a grid (M-RoPE)."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention of a transformers checkpoint; soft-capping needs eager, which takes much memory."""

    def absent(self) -> Iterator[str]:
        """The checkpoint where it is neither a folder nor can be a hub id, and what to do."""
        path = self.model_path
        is_hub_id = path.count("/") == 1 and not path.startswith((".", "/", "~"))
        if not is_hub_id and not os.path.isdir(os.path.expanduser(path)):
            yield (
                f"no checkpoint: {path} is no folder, nor a hub id (owner/name) such as "
                "liuhaotian/llava-v1.5-7b"
            )

    @property
    def name(self) -> str:
        """The checkpoint's name, as results show it.

        It is the last part of the path or hub id; a link keeps the name that it was given. A
        snapshot in the hub's cache (`models--owner--name/snapshots/<commit>`) is named by its
        repository.
        """
        folder = Path(os.path.abspath(os.path.expanduser(self.model_path)))
        return folder.parents[1].name.split("--")[-1] if hub_revision(folder) else folder.name


@dataclass(frozen=True, kw_only=True)
class ModelOptions(CheckpointOptions):
    """A checkpoint, and the precision that it computes in."""

    dtype: Dtype = "auto"
    """Precision; auto: float32 on a CPU, elsewhere float16, or a transformers checkpoint's own."""
    vision_dtype: Dtype = "auto"
    """Precision of the vision tower; auto: the language model's."""


def hub_revision(folder: Path) -> str | None:
    """Commit of the hub whose snapshot a folder of its cache is; None: it is no such folder."""
    *_, repository, snapshots, commit = ("", "", "", *folder.absolute().parts)
    is_snapshot = snapshots == "snapshots" and repository.startswith("models--")
    return commit if is_snapshot else None
