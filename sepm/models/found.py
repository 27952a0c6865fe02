"""A checkpoint whose settings have been read: what every format tells of its own."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sepm.models.device import Placement


@dataclass(frozen=True, kw_only=True)
class FoundCheckpoint(ABC):
    """A checkpoint by its settings; no weight is read."""

    folder: Path
    description: str
    """Its family, for messages."""
    num_layers: int
    """L, its number of decoder layers."""
    identity: Path
    """The file whose hash tells a release: the weight file, or its index."""
    capabilities: frozenset[str] = frozenset()
    """Capabilities that a method may need."""
    own_dtype: torch.dtype | None = None
    """Precision that "auto" means beside a CPU; None: float16."""
    template_source: str = "checkpoint"
    """Reason for the template of its prompts."""
    notes: tuple[str, ...] = ()
    """Notes to the user on how it is read."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """All that decides rows beside files and precision, by the names that results show."""

    @property
    @abstractmethod
    def template(self) -> str:
        """What prompts are written with."""

    @abstractmethod
    def identity_files(self) -> dict[str, Path]:
        """Files that make the model, by name.

        Raises:
            CheckpointError: one is not there.
        """

    @abstractmethod
    def load(self, place: Placement) -> Any:
        """The model, ready for inference.

        Raises:
            CheckpointError: incomplete, weights that do not fit, or prompts that cannot be written.
        """
