"""Parts that both families read and build alike from a checkpoint's files, and their checks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import init_empty_weights
from msgspec import to_builtins
from PIL import Image
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    SiglipVisionConfig,
)
from transformers.activations import ACT2FN
from transformers.initialization import no_init_weights
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from llava.checkpoints.files import read_json
from llava.checkpoints.unusable import require_content, require_unquantised
from llava.checkpoints.values import Language, Preprocessor, Tower, checked
from llava.checkpoints.weights import has_weights
from llava.errors import CheckpointError, checkpoint_errors
from llava.image import ImageProcessor

TowerConfig = TypeVar("TowerConfig", CLIPVisionConfig, SiglipVisionConfig)

Allowed = dict[str, tuple[str | bool | None, ...]]
"""Values that each setting may have; None: absent."""

PLAIN_IMAGE: Allowed = {
    "mm_use_im_start_end": (False, None),
    "mm_use_im_patch_token": (False, None),
}
"""Settings of a model whose prompts hold no tokens of their own around an image."""

TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def llama_config(stored: dict[str, Any], place: Path | str, weights: Path) -> LlamaConfig:
    """The language model's part of a `config.json`.

    As in transformers the output layer is tied to the embedding where the configuration says so
    and the folder of weights has none of its own.

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
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    if heads % (groups or heads):
        raise CheckpointError(
            f"{place}: num_key_value_heads {groups} does not divide num_attention_heads {heads}"
        )
    if (width := config.head_dim or 0) % 2:
        raise CheckpointError(f"{place}: head_dim is {width}; rotary embeddings need it even")
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


def require_settings(
    stored: dict[str, Any], allowed: Allowed, place: Path | str, hint: str = ""
) -> None:
    """Raise `CheckpointError` unless settings have values that a family has, None: absent."""
    for key, values in allowed.items():
        if (value := stored.get(key)) not in values:
            expected = " or ".join("absent" if v is None else str(v) for v in values)
            raise CheckpointError(f"{place}: {key} must be {expected}{hint}, got '{value}'")


def read_tower(kind: type[TowerConfig], stored: dict[str, Any], place: Path | str) -> TowerConfig:
    """The configuration of a vision tower, CLIP's also where it is a part of all of CLIP's.

    Raises:
        CheckpointError: it is another tower, cannot be so, or its weights are quantised.
    """
    name = "CLIP" if kind is CLIPVisionConfig else "SigLIP"
    if not str(model_type := stored.get("model_type")).startswith(name.lower()):
        raise CheckpointError(
            f"{place}: vision tower must be a {name}, got model_type '{model_type}'"
        )
    stored = stored.get("vision_config", stored)
    values = checked(Tower, stored, place)
    require_unquantised(stored, place)
    with checkpoint_errors(place):
        config = kind(**to_builtins(values))
    if config.hidden_act not in ACT2FN:
        raise CheckpointError(f"{place}: hidden_act '{config.hidden_act}' is not known")
    return config


@contextmanager
def empty_parameters() -> Iterator[None]:
    """Within it, models have parameters on the meta device, which nothing initialises."""
    with init_empty_weights(include_buffers=False), no_init_weights():
        yield


def build_language_model(config: LlamaConfig, place: Path) -> LlamaForCausalLM:
    """LLaMA, its parameters on the meta device, tied where the configuration says so.

    Raises:
        CheckpointError: it cannot be built so, or its rotary embedding is not finite.
    """
    with checkpoint_errors(place), empty_parameters():
        model = LlamaForCausalLM(config)
    model.tie_weights()  # one parameter then, to fill once
    if not torch.isfinite(model.model.rotary_emb.inv_freq).all():
        raise CheckpointError(f"{place}: rope_theta and rope_scaling give no finite frequencies")
    return model


def load_tokenizer(
    kind: type[PreTrainedTokenizerBase], folder: Path, files: tuple[str, ...], **options: Any
) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, which must have one of the files (the usual one first).

    Raises:
        CheckpointError: there is none, or a file of it cannot be read.
    """
    there = [name for name in files if (folder / name).is_file()]
    if not there:
        raise CheckpointError(f"checkpoint incomplete: no {files[0]} in {folder}")
    for name in (*there, *(n for n in TOKENIZER_SETTINGS if (folder / n).exists())):
        read_json(folder, name) if name.endswith(".json") else require_content(folder / name)
    with checkpoint_errors(f"the tokenizer in {folder} ({', '.join(there)}) cannot be read"):
        return kind.from_pretrained(folder, **options)


def load_preprocessing(
    kind: type[CLIPImageProcessorPil | SiglipImageProcessorPil],
    folder: Path,
    image_aspect_ratio: str | None,
    side: int,
) -> ImageProcessor:
    """Preprocessing of a vision tower that reads square images of so many pixels a side.

    Raises:
        CheckpointError: it cannot be so, or makes images of another size.
    """
    path = folder / "preprocessor_config.json"
    stored = read_json(folder, path.name)
    checked(Preprocessor, stored, path)
    with checkpoint_errors(path):
        preprocess = ImageProcessor(kind(**stored), image_aspect_ratio)
        made = tuple(preprocess(Image.new("RGB", (3, 2))).shape)
    if made != (3, side, side):
        raise CheckpointError(
            f"{path}: size and crop_size make images of {made}, the vision tower reads "
            f"{(3, side, side)} (image_size in {folder / 'config.json'})"
        )
    return preprocess
