"""Values of a checkpoint's JSON files, each of the type and in the range that inference can bear.

A key that is absent has transformers' default; keys that nothing here reads are not looked at.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from llava.errors import CheckpointError

Values = TypeVar("Values", bound=Struct)
Name = Annotated[str, Meta(min_length=1)]
Layers = Annotated[int, Meta(ge=1, le=256)]
Size = Annotated[int, Meta(ge=1, le=2**24)]
Side = Annotated[int, Meta(ge=1, le=4096)]
"""Pixels along an image or a patch."""
Index = Annotated[int, Meta(ge=0, le=2**24)]
Positive = Annotated[float, Meta(gt=0, le=1e12)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Epsilon = Annotated[float, Meta(gt=0, lt=1)]

RopeType = Literal["default", "linear", "llama3", "yarn"]
"""Rotary embeddings whose frequencies do not depend on a prompt's length, so that what prompts
begin with can be computed once."""


class Rope(Struct, kw_only=True, forbid_unknown_fields=True):
    """`rope_scaling` or, since transformers 5, `rope_parameters`; a kind not named is refused."""

    rope_type: RopeType | UnsetType = UNSET
    type: RopeType | UnsetType = UNSET
    rope_theta: Positive | UnsetType = UNSET
    factor: Positive | UnsetType = UNSET
    original_max_position_embeddings: Size | UnsetType = UNSET
    low_freq_factor: Positive | UnsetType = UNSET
    high_freq_factor: Positive | UnsetType = UNSET
    attention_factor: Positive | UnsetType | None = UNSET
    beta_fast: Positive | UnsetType | None = UNSET
    beta_slow: Positive | UnsetType | None = UNSET
    mscale: Positive | UnsetType | None = UNSET
    mscale_all_dim: Positive | UnsetType | None = UNSET
    truncate: bool | UnsetType = UNSET


class Language(Struct, kw_only=True):
    """LLaMA, in a `config.json`. Ids of padding and of the beginning are the tokenizer's matter."""

    hidden_size: Size
    num_hidden_layers: Layers
    vocab_size: Size | UnsetType = UNSET
    intermediate_size: Size | UnsetType = UNSET
    num_attention_heads: Size | UnsetType = UNSET
    num_key_value_heads: Size | UnsetType | None = UNSET
    head_dim: Size | UnsetType | None = UNSET
    hidden_act: str | UnsetType = UNSET
    max_position_embeddings: Size | UnsetType = UNSET
    rms_norm_eps: Epsilon | UnsetType = UNSET
    eos_token_id: Index | list[Index] | UnsetType | None = UNSET
    tie_word_embeddings: bool | UnsetType = UNSET
    attention_bias: bool | UnsetType = UNSET
    mlp_bias: bool | UnsetType = UNSET
    rope_theta: Positive | UnsetType = UNSET
    rope_scaling: Rope | UnsetType | None = UNSET
    rope_parameters: Rope | UnsetType | None = UNSET
    sliding_window: UnsetType | None = UNSET


class Tower(Struct, kw_only=True):
    """CLIP or SigLIP, in the `config.json` of a vision tower."""

    hidden_size: Size | UnsetType = UNSET
    intermediate_size: Size | UnsetType = UNSET
    num_hidden_layers: Layers | UnsetType = UNSET
    num_attention_heads: Size | UnsetType = UNSET
    num_channels: Annotated[int, Meta(ge=3, le=3)] | UnsetType = UNSET
    image_size: Side | UnsetType = UNSET
    patch_size: Side | UnsetType = UNSET
    hidden_act: str | UnsetType = UNSET
    layer_norm_eps: Epsilon | UnsetType = UNSET


Sides = Side | dict[str, Side | None] | None
Three = Meta(min_length=3, max_length=3)
"""A value for each colour."""


class Preprocessor(Struct, kw_only=True):
    """A `preprocessor_config.json`."""

    size: Sides | UnsetType = UNSET
    crop_size: Sides | UnsetType = UNSET
    resample: Annotated[int, Meta(ge=0, le=5)] | UnsetType = UNSET
    rescale_factor: Positive | UnsetType = UNSET
    image_mean: Annotated[list[Fraction], Three] | UnsetType = UNSET
    image_std: Annotated[list[Positive], Three] | UnsetType = UNSET
    do_resize: bool | UnsetType = UNSET
    do_center_crop: bool | UnsetType = UNSET
    do_rescale: bool | UnsetType = UNSET
    do_normalize: bool | UnsetType = UNSET


def checked(kind: type[Values], stored: Any, place: Path | str) -> Values:
    """The values of one kind that are read of a JSON object; its place is for messages.

    Raises:
        CheckpointError: one is missing, of another type or out of its range; the message says
            where, which, and what was expected.
    """
    try:
        return msgspec.convert(stored, kind)
    except msgspec.ValidationError as error:
        text, _, keys = str(error).partition(" - at `$.")
        key = re.match(r"\w*", keys)
        value = stored.get(key[0]) if key and isinstance(stored, dict) else None
        shown = f"{keys.rstrip('`')} is {json.dumps(value):.80}: " if keys else ""
        raise CheckpointError(f"{place}: {shown}{text[:1].lower()}{text[1:]}") from error
