"""The part of a LLaVA-1.5 checkpoint's configuration that inference reads."""

from pathlib import Path
from typing import Any

from msgspec import Struct, structs, to_builtins
from transformers import LlamaConfig

from llava.checkpoints.unusable import require_merged, require_unquantised
from llava.checkpoints.values import Language, Name, Size, checked
from llava.checkpoints.weights import has_weights
from llava.errors import CheckpointError, checkpoint_errors

MODEL_TYPES = ("llava", "llava_llama")
ASPECT_RATIOS = ("pad", "square", None)


class Multimodal(Struct, frozen=True, kw_only=True):
    """What stands beside the language model's settings, in the original's words."""

    mm_vision_tower: Name
    mm_projector_type: str = "linear"
    mm_hidden_size: Size
    mm_vision_select_layer: int = -2
    mm_vision_select_feature: str = "patch"
    image_aspect_ratio: str | None = None
    unfreeze_mm_vision_tower: bool | None = None
    """Whether the tower was trained too; then its weights lie inside the checkpoint."""


class LlavaConfig(Multimodal, frozen=True, kw_only=True):
    """Configuration of one checkpoint."""

    language: LlamaConfig


def read_config(folder: Path, stored: dict[str, Any]) -> LlavaConfig:
    """The configuration of a LLaVA-1.5 checkpoint, checked, given its `config.json`.

    Raises:
        CheckpointError: the folder holds another family, a setting LLaVA-1.5 does not have, or
            something else than a checkpoint.
    """
    path = folder / "config.json"
    require_merged(folder)
    _check_family(stored, folder)
    multimodal = checked(Multimodal, stored, path)
    language = llama_config(stored, path, folder)
    if not end_ids(language):
        raise CheckpointError(f"{path}: eos_token_id names no id, so no answer would ever end")
    return LlavaConfig(language=language, **structs.asdict(multimodal))


def llama_config(stored: dict[str, Any], place: Path | str, weights: Path) -> LlamaConfig:
    """The language model's part of a `config.json`.

    As in transformers the output layer is tied to the embedding where the configuration says so
    and the weights have none of its own.

    Args:
        stored: the configuration.
        place: its file, for messages.
        weights: folder of the language model's weights.

    Raises:
        CheckpointError: LLaMA cannot be so, or its weights are quantised.
    """
    require_unquantised(stored, place)
    values = to_builtins(checked(Language, stored, place))
    with checkpoint_errors(place):
        config = LlamaConfig.from_dict(values, attn_implementation="sdpa")
    _check_llama(config, place)
    if config.tie_word_embeddings:
        config.tie_word_embeddings = not has_weights(weights, "lm_head.weight")
    return config


def _check_llama(config: LlamaConfig, place: Path | str) -> None:
    """Raise `CheckpointError` where no LLaMA, or no answer, can be computed so."""
    if config.hidden_act != "silu":
        raise CheckpointError(
            f"{place}: hidden_act must be silu, as every LLaMA has it, got '{config.hidden_act}'"
        )
    heads, groups, head_dim = (
        *(config.num_attention_heads, config.num_key_value_heads or config.num_attention_heads),
        config.head_dim or 0,
    )
    if heads % groups:
        raise CheckpointError(
            f"{place}: num_key_value_heads {groups} does not divide num_attention_heads {heads}"
        )
    if head_dim % 2:
        raise CheckpointError(f"{place}: head_dim is {head_dim}; rotary embeddings need it even")
    for token_id in end_ids(config):
        if token_id >= config.vocab_size:
            raise CheckpointError(
                f"{place}: eos_token_id {token_id} is beyond vocab_size {config.vocab_size}, so no "
                "answer would ever end"
            )


def end_ids(config: LlamaConfig) -> frozenset[int]:
    """Ids that end an answer; none where the configuration names none."""
    end = config.eos_token_id
    return frozenset(end if isinstance(end, list) else [] if end is None else [end])


def require_plain_image(stored: dict[str, Any], folder: Path) -> None:
    """Raise `CheckpointError` where tokens of their own stand around an image."""
    if stored.get("mm_use_im_start_end") or stored.get("mm_use_im_patch_token"):
        raise CheckpointError(
            f"{folder}: mm_use_im_start_end and mm_use_im_patch_token must be false"
        )


def _check_family(stored: dict[str, Any], folder: Path) -> None:
    model_type = stored.get("model_type")
    if "vision_config" in stored:
        raise CheckpointError(
            f"{folder} is in transformers' own LLaVA format (llava-hf); the original format is "
            "needed, for example liuhaotian/llava-v1.5-7b"
        )
    if model_type not in MODEL_TYPES:
        raise CheckpointError(
            f"{folder}: model_type must be one of {', '.join(MODEL_TYPES)}, got '{model_type}'"
        )
    for key in ("mm_vision_tower", "mm_hidden_size", "hidden_size", "num_hidden_layers"):
        if key not in stored:
            raise CheckpointError(f"{folder}/config.json: {key} is missing; is this a LLaVA-1.5?")
    require_plain_image(stored, folder)
    if (ratio := stored.get("image_aspect_ratio")) not in ASPECT_RATIOS:
        raise CheckpointError(
            f"{folder}: image_aspect_ratio must be pad, square or absent, got '{ratio}'"
        )
