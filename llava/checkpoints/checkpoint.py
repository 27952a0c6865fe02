"""A checkpoint whose configuration has been read, and the model assembled from it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from transformers import LlamaConfig, PreTrainedTokenizerBase

from llava.checkpoints.parts import build_language_model, empty_parameters, end_ids
from llava.checkpoints.weights import StoredWeights, load_weights
from llava.conversation import Conversation
from llava.errors import CheckpointError, checkpoint_errors
from llava.image import ImageProcessor
from llava.model import Llava
from llava.prompt import PromptTokenizer
from llava.vision import VisionTower


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A checkpoint by its configuration, as its family stores it; no weight is read."""

    folder: Path
    family: Literal["llava-1.5", "vila-1.5"]
    folders: tuple[Path, ...]
    """All folders that it is read from, the language model's weights first."""
    conversation: Conversation
    """The template of its prompts."""
    conversation_source: Literal["family", "recorded name", "default", "option"]
    """Reason for the template: the family has one, the recorded name tells, nothing does (the
    likeliest), or the caller."""
    recorded_name: str = ""
    """Name under which a VILA-1.5 says it was trained."""
    notes: tuple[str, ...] = ()
    """Notes to the user on how it is read."""
    language: LlamaConfig
    load_tokenizer: Callable[[], PreTrainedTokenizerBase]
    end_tokens: tuple[str, ...] = ()
    """Tokens that end an answer beside those that the configuration names."""
    build_projector: Callable[[], nn.Module]
    build_tower: Callable[[], VisionTower]
    load_preprocessing: Callable[[int], ImageProcessor]
    """Given the height and width of the tower's input, in pixels."""
    weights: tuple[StoredWeights, ...]

    @property
    def num_layers(self) -> int:
        """L, decoder layers of the language model."""
        return self.language.num_hidden_layers

    def load(
        self,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        vision_dtype: torch.dtype | None = None,
    ) -> Llava:
        """The model, ready for inference; no configuration is read again.

        Args:
            device: of all parts.
            dtype: of language model and projector. VILA's original code ran its bfloat16 weights
                in float16.
            vision_dtype: of the vision tower; None: the same. LLaVA's original code left the tower
                in float32 under its default device map, and in float16 otherwise.

        Raises:
            CheckpointError: incomplete, or weights that do not fit.
        """
        place, model = torch.device(device), self._build()
        for stored in self.weights:
            own_dtype = vision_dtype if stored.parts == ("vision_tower",) else None
            load_weights(model, stored, place, own_dtype or dtype)
        model.language_model.tie_weights()  # to the embedding that has just been filled
        model.to(place)  # the buffers, which no checkpoint holds
        return model.eval()

    def _build(self) -> Llava:
        """All parts, their parameters still on the meta device."""
        folder = self.folders[0]
        language_model = build_language_model(self.language, folder / "config.json")
        path = self.folder / "config.json"
        with checkpoint_errors(path), empty_parameters():
            projector, vision_tower = self.build_projector(), self.build_tower()
        tokenizer = self.load_tokenizer()
        with checkpoint_errors(folder):
            prompts = PromptTokenizer(tokenizer, self.conversation)
        preprocess = self.load_preprocessing(vision_tower.image_size)
        vocabulary = tokenizer.get_vocab()
        if missing := [token for token in self.end_tokens if token not in vocabulary]:
            raise CheckpointError(
                f"{folder}: {', '.join(missing)} is not in the tokenizer of this {self.family}; of "
                "VILA-1.5 the 8B alone is supported (Efficient-Large-Model/Llama-3-VILA1.5-8B)"
            )
        end = end_ids(self.language) | {vocabulary[token] for token in self.end_tokens}
        return Llava(language_model, projector, vision_tower, prompts, preprocess, end)
