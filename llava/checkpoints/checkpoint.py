"""A checkpoint whose configuration has been read, and the model assembled from it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerBase,
    SiglipVisionConfig,
)

from llava.checkpoints.llava_config import end_ids
from llava.checkpoints.parts import build_language_model, load_preprocessing
from llava.checkpoints.weights import RenameWeight, load_weights
from llava.conversation import Conversation
from llava.errors import checkpoint_errors
from llava.model import Llava
from llava.prompt import PromptTokenizer
from llava.vision import VisionTower

Family = Literal["llava-1.5", "vila-1.5"]
ConversationSource = Literal["family", "recorded name", "default", "option"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Parts of a model, and the folder and names of their weights, as one family stores them."""

    language: LlamaConfig
    language_place: Path
    """Place of that configuration, for messages."""
    tokenizer_folder: Path
    load_tokenizer: Callable[[Path], PreTrainedTokenizerBase]
    end_tokens: tuple[str, ...] = ()
    """Tokens that end an answer beside those that the configuration names."""
    build_projector: Callable[[], nn.Module]
    tower: CLIPVisionConfig | SiglipVisionConfig
    tower_folder: Path
    select_layer: int
    select_feature: str
    image_aspect_ratio: str | None
    weights: tuple[tuple[Callable[[Llava], nn.Module], Path, RenameWeight], ...]
    """Language model and projector: modules, their folder, names in the module of stored names."""
    tower_weights: tuple[Path, RenameWeight]

    def build(self, conversation: Conversation) -> Llava:
        """All parts, their parameters still on the meta device."""
        language_model = build_language_model(self.language, self.language_place)
        with checkpoint_errors(self.language_place), init_empty_weights(include_buffers=False):
            projector = self.build_projector()
            vision_tower = VisionTower(self.tower, self.select_layer, self.select_feature)
        tokenizer = self.load_tokenizer(self.tokenizer_folder)
        with checkpoint_errors(self.tokenizer_folder):
            prompts = PromptTokenizer(tokenizer, conversation)
        preprocess = load_preprocessing(
            self.tower, self.tower_folder, self.image_aspect_ratio, vision_tower.image_size
        )
        vocabulary = tokenizer.get_vocab() if self.end_tokens else {}
        end = end_ids(self.language) | {vocabulary[token] for token in self.end_tokens}
        return Llava(language_model, projector, vision_tower, prompts, preprocess, end)

    def fill(
        self, model: Llava, device: torch.device, dtype: torch.dtype, vision_dtype: torch.dtype
    ) -> None:
        """Load every weight."""
        for module_of, folder, rename in self.weights:
            load_weights(module_of(model), folder, rename, device, dtype)
        folder, rename = self.tower_weights
        tower = model.vision_tower
        load_weights(
            tower.vision_model,
            folder,
            lambda stored: tower.name_if_built(rename(stored)),
            device,
            vision_dtype,
        )
        model.language_model.tie_weights()  # to the embedding that has just been filled
        model.to(device)  # the buffers, which no checkpoint holds


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint by its configuration; no weight is read."""

    folder: Path
    family: Family
    num_layers: int
    """L, decoder layers of the language model."""
    folders: tuple[Path, ...]
    """All folders that it is read from, the language model's weights first."""
    conversation: Conversation
    """The template of its prompts."""
    conversation_source: ConversationSource
    """Reason for the template: the family has one, the recorded name tells, nothing does (the
    likeliest), or the caller."""
    recipe: Recipe
    recorded_name: str = ""
    """Name under which a VILA-1.5 says it was trained."""
    notes: tuple[str, ...] = ()
    """Notes to the user on how it is read."""

    def load(
        self,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        vision_dtype: torch.dtype | None = None,
        conversation: Conversation | None = None,
    ) -> Llava:
        """The model, ready for inference; no configuration is read again.

        Args:
            device: of all parts.
            dtype: of language model and projector. VILA's original code ran its bfloat16 weights
                in float16.
            vision_dtype: of the vision tower; None: the same. LLaVA's original code left the tower
                in float32 under its default device map, and in float16 otherwise.
            conversation: template of the prompts; None: the checkpoint's.

        Raises:
            CheckpointError: incomplete, or weights that do not fit.
        """
        model = self.recipe.build(conversation or self.conversation)
        self.recipe.fill(model, torch.device(device), dtype, vision_dtype or dtype)
        return model.eval()
