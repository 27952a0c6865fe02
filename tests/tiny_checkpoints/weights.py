"""Random weights of what both families share, and the files they are stored in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.tiny_checkpoints.variants import Variant

Json = dict[str, Any]
Tensors = dict[str, Tensor]


class Draw:
    """Normal tensors from one seeded generator, in the order in which they are asked for."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int, std: float, mean: float = 0.0) -> Tensor:
        return torch.randn(*shape, generator=self.generator) * std + mean

    def linear(self, name: str, rows: int, columns: int, bias_std: float = 0.05) -> Tensors:
        """Weight and bias of a linear map."""
        weight = self(rows, columns, std=columns**-0.5)
        return {f"{name}.weight": weight, f"{name}.bias": self(rows, std=bias_std)}

    def norm(self, name: str, width: int, bias_std: float = 0.05) -> Tensors:
        """Weight and bias of a layer normalization."""
        weight = self(width, std=0.1, mean=1.0)
        return {f"{name}.weight": weight, f"{name}.bias": self(width, std=bias_std)}


def language_weights(variant: Variant, draw: Draw, vocabulary: int) -> Tensors:
    """LLaMA and the projector under the names of liuhaotian/llava-v1.5-7b."""
    width, inner = variant.hidden, 2 * variant.hidden
    narrow = width // variant.heads * variant.kv_heads
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (narrow, width),
        "self_attn.v_proj": (narrow, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    weights = {"model.embed_tokens.weight": draw(vocabulary, width, std=0.1)}
    for layer in range(variant.layers):
        prefix = f"model.layers.{layer}."
        for name, (rows, columns) in shapes.items():
            weights[f"{prefix}{name}.weight"] = draw(
                rows, columns, std=variant.gain * columns**-0.5
            )
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{name}.weight"] = draw(width, std=0.1, mean=1.0)
        if variant.rotary_buffers:
            frequencies = torch.full((width // variant.heads // 2,), torch.nan)
            weights[f"{prefix}self_attn.rotary_emb.inv_freq"] = frequencies
    weights["model.norm.weight"] = draw(width, std=0.1, mean=1.0)
    weights |= projector_weights(variant, draw)
    if not variant.tied:
        weights["lm_head.weight"] = draw(vocabulary, width, std=0.1)
    return weights


def projector_weights(variant: Variant, draw: Draw) -> Tensors:
    """The projector; its visual tokens are ten times larger than the word embeddings."""
    inputs, width = variant.vision_hidden, variant.hidden
    layers = {"": inputs} if variant.projector == "linear" else {".0": inputs, ".2": width}
    weights: Tensors = {}
    for name, columns in layers.items():
        weights |= draw.linear(f"model.mm_projector{name}", width, columns, bias_std=0.1)
    return weights


def encoder_weights(variant: Variant, draw: Draw, norms: Sequence[str]) -> Tensors:
    """The layers of a vision encoder, as CLIP and SigLIP name them, and further norms by name."""
    width, inner = variant.vision_hidden, 2 * variant.vision_hidden
    layers = [f"encoder.layers.{layer}." for layer in range(variant.vision_layers)]
    weights: Tensors = {}
    for layer in layers:
        for name in ("k", "v", "q", "out"):
            weights |= draw.linear(f"{layer}self_attn.{name}_proj", width, width)
        weights |= draw.linear(f"{layer}mlp.fc1", inner, width)
        weights |= draw.linear(f"{layer}mlp.fc2", width, inner)
    for name in (*norms, *(f"{layer}layer_norm{n}" for layer in layers for n in (1, 2))):
        weights |= draw.norm(name, width)
    return weights


def answer_with_letters(
    language: Tensors, variant: Variant, draw: Draw, letters: list[int], end: int
) -> None:
    """Let the model answer an option letter, then end, as a trained one does.

    The letters' rows of the output layer are louder than all others. A and B are loudest and
    opposite: the image decides between them, at times by very little. Then one of C to H may win,
    EmoSet's other letters. The last channel says "a letter was just written" and nothing else: only
    the letters' embeddings write to it, and only the end token's row of the output layer reads it.

    Args:
        language: weights of the language model and, in LLaVA, of the projector; changed here.
        variant: sizes and gain.
        draw: source of the letters' rows.
        letters: token ids of A to Z where an answer begins.
        end: id of the token that ends an answer.
    """
    loudness = torch.tensor([6.0] * 2 + [2.5] * 6 + [1.0] * (len(letters) - 8))[:, None]
    rows = draw(len(letters), variant.hidden, std=0.075 * variant.gain) * loudness
    rows[1] = -rows[0]
    embeddings, head = language["model.embed_tokens.weight"], language["lm_head.weight"]
    head[letters] = rows
    for name, tensor in language.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")) or "mm_projector" in name:
            tensor[-1] = 0
    embeddings[:, -1] = head[:, -1] = head[end] = 0
    embeddings[letters, -1], head[end, -1] = 60.0, 6.0


def write_weights(
    tensors: Tensors, folder: Path, storage: str = "safetensors", shards: int = 1
) -> None:
    """One file, or shards with an index, in the names that Hugging Face gives them."""
    stem = "model" if storage == "safetensors" else "pytorch_model"
    names = [f"{stem}.{storage}"]
    if shards > 1:
        names = [f"{stem}-{i:05}-of-{shards:05}.{storage}" for i in range(1, shards + 1)]
    weight_map = {tensor: names[i % len(names)] for i, tensor in enumerate(tensors)}
    for file_name in names:
        part = {name: t for name, t in tensors.items() if weight_map[name] == file_name}
        if storage == "safetensors":
            save_file(part, folder / file_name, metadata={"format": "pt"})
        else:
            torch.save(part, folder / file_name)
    if shards > 1:
        write_json(folder / f"{stem}.{storage}.index.json", {"weight_map": weight_map})


def write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
