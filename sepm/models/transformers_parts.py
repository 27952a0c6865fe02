"""A random model's weights inside transformers' own classes, for scripts that know no others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from accelerate import init_empty_weights
from torch import Tensor, nn
from transformers import (
    CLIPVisionModel,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    SiglipVisionModel,
)

from sepm.models.random_llava import SELECT_LAYER, RandomModel, fill, language_config, tower_config


@dataclass(frozen=True)
class TransformersParts:
    """Parts of a model, both networks with eager attention."""

    vision_tower: CLIPVisionModel | SiglipVisionModel
    """The whole tower, with the layers after the one that is read."""
    select_layer: int
    """Index of the tower's hidden state that is read."""
    projector: nn.Module
    """Features of the tower to visual tokens."""
    tokenizer: PreTrainedTokenizerBase
    splice: Callable[[Sequence[Any], Tensor], Tensor]
    """Prompts and visual tokens float[B, N, D] to embeddings float[B, T, D]."""
    language_model: LlamaForCausalLM


def transformers_parts(model: RandomModel) -> TransformersParts:
    """The parts of a random model; they share its weights.

    The end of the vision tower, which a script computes and nobody reads, is filled with random
    values; no other weight is added.
    """
    own_tower = model.vision_tower.vision_model
    tower_class = CLIPVisionModel if model.shape.tower.kind == "clip" else SiglipVisionModel
    vision_config = tower_config(model.shape.tower)
    llama_config = language_config(model.shape.language)
    for config in (vision_config, llama_config):
        config._attn_implementation = "eager"
    with init_empty_weights(include_buffers=False):
        tower = tower_class(vision_config)  # type: ignore[arg-type]
        language_model = LlamaForCausalLM(llama_config)
    tower.load_state_dict(own_tower.state_dict(), strict=False, assign=True)
    fill(tower, model.device, own_tower.dtype, model.seed)
    language_model.load_state_dict(model.language_model.state_dict(), assign=True)
    language_model.to(model.device)  # type: ignore[arg-type]
    return TransformersParts(
        tower.eval(),
        SELECT_LAYER,
        model.mm_projector,
        model.prompts.tokenizer,
        model.splice,
        language_model.eval(),
    )
