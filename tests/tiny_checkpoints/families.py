"""Tiny random members of transformers' image-text-to-text families, saved as real checkpoints.

    write_family("qwen2_5_vl", folder)

Each folder is opened by the Auto classes alone, as a checkpoint of the hub is. Weights are float32.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.models.smolvlm import processing_smolvlm

from tests.tiny_checkpoints.families_models import CONFIGS, TOKEN_IDS
from tests.tiny_checkpoints.families_processors import PROCESSORS, Layout, write_processor
from tests.tiny_checkpoints.families_tokenizers import TOKENIZERS, write_tokenizer
from tests.tiny_checkpoints.weights import Json

FAMILIES: tuple[str, ...] = tuple(CONFIGS)
smolvlm: Any = processing_smolvlm
smolvlm.num2words = smolvlm.num2words or str  # it is for videos alone
STD = 0.12
"""Standard deviation of every weight matrix: attention and logits are far from flat."""


def write_family(
    name: str, folder: Path, *, seed: int = 0, layout: Layout = "one file each", **changes: Any
) -> None:
    """A whole checkpoint of one of `FAMILIES`, written to a folder that is made.

    Args:
        name: the family, in the words of `model_type`.
        folder: where its files go.
        seed: of the weights; the same seed gives the same bytes.
        layout: files of the processor.
        changes: entries of `config.json`, those of `text_config` and other parts merged into it:
            `text_config={"attn_logit_softcapping": 50.0}`. `chat_template` is the template's text
            instead of the family's own, or None for a checkpoint without one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    processor = PROCESSORS[name]
    template = changes.pop("chat_template", processor.chat_template)
    tokenizer = write_tokenizer(folder, TOKENIZERS[name])
    write_model(folder, merged(config_of(name, tokenizer), changes), ends_of(name, tokenizer), seed)
    write_processor(folder, processor, template, layout)


def config_of(name: str, tokenizer: Tokenizer) -> Json:
    """`config.json` of a family; its special tokens are given by their ids."""
    recipe = TOKENIZERS[name]
    own = {"bos_token_id": recipe.bos, "eos_token_id": recipe.eos, "pad_token_id": recipe.pad}
    ids = {entry: tokenizer.token_to_id(token) for entry, token in own.items() if token}
    outer = {entry: tokenizer.token_to_id(token) for entry, token in TOKEN_IDS[name].items()}
    config = {"model_type": name, "dtype": "float32", **CONFIGS[name], **outer}
    return merged(config, {"text_config": {"bos_token_id": None, **ids}})


def merged(config: Json, changes: Json) -> Json:
    """The configuration with some entries changed, those of its parts one by one."""
    changed = dict(config)
    for entry, value in changes.items():
        part = config.get(entry)
        if isinstance(part, dict) and isinstance(value, dict):
            changed[entry] = merged(part, value)
        else:
            changed[entry] = value
    return changed


def ends_of(name: str, tokenizer: Tokenizer) -> list[int]:
    """Ids of the tokens that end an answer."""
    recipe = TOKENIZERS[name]
    ids = [tokenizer.token_to_id(token) for token in (recipe.eos, recipe.end_of_turn) if token]
    return [token_id for token_id in ids if token_id is not None]


def write_model(folder: Path, config: Json, ends: list[int], seed: int) -> None:
    """`config.json`, `generation_config.json` and `model.safetensors`."""
    own = AutoConfig.for_model(**config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForImageTextToText.from_config(own, dtype=torch.float32)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=STD)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)


def image_of(width: int, height: int, seed: int = 0) -> Image.Image:
    """An RGB image of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
