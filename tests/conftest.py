"""Tiny LLaVA-1.5 and VILA-1.5 checkpoints with random weights, laid out as real ones are."""

import io
import json
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor

from llava.conversation import VICUNA_V1, VILA_SYSTEM
from sepm.datasets.tasks import load_taxonomy, task_names
from sepm.method.config import PRESETS
from sepm.method.prompts import AMBIGUOUS_SENTENCE, CHAIN_OF_THOUGHT, coarse_body, fine_body

Json = dict[str, Any]
Tensors = dict[str, Tensor]
MakeLlava = Callable[..., Path]
MakeVila = Callable[..., Path]

EMBEDDED_TOWER = "model.vision_tower.vision_tower."


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@dataclass(frozen=True)
class Variant:
    """What may differ between LLaVA-1.5 checkpoints, and the sizes of a tiny one."""

    seed: int = 42
    gain: float = 2.0
    """Of the language model's linear maps and of the option letters' rows in its output. At 2 the
    image decides the answer; at 1 less is rounded off, for comparisons to 1e-5."""
    hidden: int = 32
    layers: int = 3
    heads: int = 4
    kv_heads: int = 4
    vision_hidden: int = 24
    vision_layers: int = 3
    image: int = 56
    patch: int = 14
    projector: Literal["mlp2x_gelu", "linear"] = "mlp2x_gelu"
    storage: Literal["safetensors", "bin"] = "safetensors"
    shards: int = 1
    model_type: str = "llava"
    image_aspect_ratio: str | None = "pad"
    tied: bool = False
    """The output layer is the embedding, and is not stored."""
    rotary_buffers: bool = False
    """Store `rotary_emb.inv_freq`, as the real files do."""
    embedded_tower: bool = False
    """Store the vision tower inside the checkpoint too (re-saved forks), with other weights."""
    unfreeze_tower: bool = False
    """The configuration says that the tower was trained with the rest."""
    full_clip: bool = False
    """The tower's folder holds all of CLIP, written by an old transformers, as on the hub."""


class Draw:
    """Normal tensors from one seeded generator, in the order in which they are asked for."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int, std: float, mean: float = 0.0) -> Tensor:
        return torch.randn(*shape, generator=self.generator) * std + mean


def language_weights(variant: Variant, draw: Draw, vocabulary: int) -> Tensors:
    """LLaMA and the projector under the names of liuhaotian/llava-v1.5-7b."""
    width, inner = variant.hidden, 2 * variant.hidden
    narrow = width // variant.heads * variant.kv_heads
    weights = {"model.embed_tokens.weight": draw(vocabulary, width, std=0.1)}
    for layer in range(variant.layers):
        shapes = {
            "self_attn.q_proj": (width, width),
            "self_attn.k_proj": (narrow, width),
            "self_attn.v_proj": (narrow, width),
            "self_attn.o_proj": (width, width),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        for name, (rows, columns) in shapes.items():
            tensor = draw(rows, columns, std=variant.gain * columns**-0.5)
            weights[f"model.layers.{layer}.{name}.weight"] = tensor
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{layer}.{name}.weight"] = draw(width, std=0.1, mean=1.0)
        if variant.rotary_buffers:
            name = f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"
            weights[name] = torch.full((width // variant.heads // 2,), torch.nan)
    weights["model.norm.weight"] = draw(width, std=0.1, mean=1.0)
    weights |= projector_weights(variant, draw)
    if not variant.tied:
        weights["lm_head.weight"] = draw(vocabulary, width, std=0.1)
    return weights


def projector_weights(variant: Variant, draw: Draw) -> Tensors:
    """The projector; its visual tokens are ten times larger than the word embeddings."""
    inputs, width = variant.vision_hidden, variant.hidden
    layers = {"": inputs} if variant.projector == "linear" else {"0.": inputs, "2.": width}
    return {
        f"model.mm_projector.{name}{kind}": tensor
        for name, columns in layers.items()
        for kind, tensor in (
            ("weight", draw(width, columns, std=columns**-0.5)),
            ("bias", draw(width, std=0.1)),
        )
    }


def tower_weights(variant: Variant, draw: Draw) -> Tensors:
    """CLIP's vision tower under OpenAI's names, `vision_model.*`."""
    width = variant.vision_hidden
    tokens = (variant.image // variant.patch) ** 2 + 1
    weights = {
        "embeddings.class_embedding": draw(width, std=0.1),
        "embeddings.patch_embedding.weight": draw(width, 3, variant.patch, variant.patch, std=0.1),
        "embeddings.position_embedding.weight": draw(tokens, width, std=0.5),
        "embeddings.position_ids": torch.arange(tokens)[None],
    }
    weights |= encoder_weights(variant, draw, ["pre_layrnorm", "post_layernorm"])
    return {f"vision_model.{name}": tensor for name, tensor in weights.items()}


def encoder_weights(variant: Variant, draw: Draw, norms: list[str]) -> Tensors:
    """What CLIP and SigLIP name alike: the layers, and these norms beside those of the layers."""
    width, inner = variant.vision_hidden, 2 * variant.vision_hidden
    weights: Tensors = {}
    norms = list(norms)
    for layer in range(variant.vision_layers):
        prefix = f"encoder.layers.{layer}."
        norms += [f"{prefix}layer_norm1", f"{prefix}layer_norm2"]
        shapes = {f"self_attn.{name}_proj": (width, width) for name in ("k", "v", "q", "out")}
        shapes |= {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
        for name, (rows, columns) in shapes.items():
            weights[f"{prefix}{name}.weight"] = draw(rows, columns, std=columns**-0.5)
            weights[f"{prefix}{name}.bias"] = draw(rows, std=0.05)
    for name in norms:
        weights[f"{name}.weight"] = draw(width, std=0.1, mean=1.0)
        weights[f"{name}.bias"] = draw(width, std=0.05)
    return weights


def write_weights(tensors: Tensors, folder: Path, variant: Variant) -> None:
    """One file, or shards with an index, in the names that Hugging Face gives them."""
    stem = "model" if variant.storage == "safetensors" else "pytorch_model"
    names = [f"{stem}.{variant.storage}"]
    if variant.shards > 1:
        of = variant.shards
        names = [f"{stem}-{i:05}-of-{of:05}.{variant.storage}" for i in range(1, of + 1)]
    weight_map = {tensor: names[i % len(names)] for i, tensor in enumerate(tensors)}
    for file_name in names:
        part = {name: t for name, t in tensors.items() if weight_map[name] == file_name}
        if variant.storage == "safetensors":
            save_file(part, folder / file_name, metadata={"format": "pt"})
        else:
            torch.save(part, folder / file_name)
    if variant.shards > 1:
        write_json(folder / f"{stem}.{variant.storage}.index.json", {"weight_map": weight_map})


def write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def model_config(variant: Variant, vocabulary: int) -> Json:
    """`config.json` in the words of the original."""
    config: Json = {
        "architectures": ["LlavaLlamaForCausalLM"], "model_type": variant.model_type,
        "torch_dtype": "float16", "vocab_size": vocabulary, "hidden_size": variant.hidden,
        "intermediate_size": 2 * variant.hidden, "num_hidden_layers": variant.layers,
        "num_attention_heads": variant.heads, "num_key_value_heads": variant.kv_heads,
        "hidden_act": "silu", "max_position_embeddings": 4096, "max_length": 4096,
        "rms_norm_eps": 1e-05, "rope_scaling": None, "initializer_range": 0.02,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "pretraining_tp": 1,
        "tie_word_embeddings": variant.tied, "use_cache": True,
        "mm_hidden_size": variant.vision_hidden, "mm_projector_type": variant.projector,
        "mm_resampler_type": None, "mm_use_im_patch_token": False, "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch", "mm_vision_select_layer": -2,
        "mm_vision_tower": "vision_tower", "use_mm_proj": True,
        "unfreeze_mm_vision_tower": variant.unfreeze_tower,
    }  # fmt: skip
    if variant.image_aspect_ratio is not None:
        config["image_aspect_ratio"] = variant.image_aspect_ratio
    return config


def write_tower(folder: Path, variant: Variant, weights: Tensors) -> None:
    """The vision tower's folder; with integer sizes and all of CLIP where the variant says so."""
    folder.mkdir()
    side = variant.image
    config: Json = {
        "model_type": "clip_vision_model", "hidden_size": variant.vision_hidden,
        "intermediate_size": 2 * variant.vision_hidden, "num_attention_heads": 4,
        "num_hidden_layers": variant.vision_layers, "image_size": side,
        "patch_size": variant.patch, "projection_dim": 16, "hidden_act": "quick_gelu",
        "torch_dtype": "float32",
    }  # fmt: skip
    preprocessor: Json = {
        "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3,
        "do_resize": True, "do_center_crop": True, "do_normalize": True,
        "size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    if variant.full_clip:
        text_config = {"model_type": "clip_text_model", "hidden_size": 8}
        config |= {
            "_name_or_path": "", "architectures": None, "add_cross_attention": False,
            "bad_words_ids": None, "bos_token_id": None, "chunk_size_feed_forward": 0,
            "dropout": 0.0, "id2label": {"0": "LABEL_0"}, "initializer_factor": 1.0,
            "is_decoder": False, "label2id": {"LABEL_0": 0}, "max_length": 20, "num_beams": 1,
            "output_attentions": False, "pruned_heads": {}, "return_dict": True,
            "torch_dtype": None, "torchscript": False, "transformers_version": "4.21.3",
            "use_bfloat16": False,
        }  # fmt: skip
        config = {"model_type": "clip", "text_config": text_config, "vision_config": config}
        preprocessor |= {"size": side, "crop_size": side}
        weights = weights | {
            "logit_scale": torch.tensor(4.6),
            "text_model.embeddings.token_embedding.weight": torch.ones(10, 8),
            "text_projection.weight": torch.ones(16, 8),
            "visual_projection.weight": torch.ones(16, variant.vision_hidden),
        }
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", preprocessor)
    write_weights(weights, folder, replace(variant, shards=1))


def queries() -> list[str]:
    """What the project asks, of every task and in every wording, and the sentences around it."""
    # Without the one whose words are all another's: the tokenizer goes by how often each stands.
    configs = [config for name, config in PRESETS.items() if name != "released-2025-08"]
    texts = [AMBIGUOUS_SENTENCE, CHAIN_OF_THOUGHT, *(config.phrase for config in configs)]
    for taxonomy in map(load_taxonomy, task_names()):
        texts.append(coarse_body(taxonomy))
        texts += [fine_body(taxonomy.classes, c.fine_question, c.fine_answer) for c in configs]
    return texts


def corpus() -> list[str]:
    """Whole prompts of LLaVA-1.5; a bar stands for a line break, which stays a byte piece."""
    texts = queries()
    rendered = [VICUNA_V1.render(text).replace("<image>", "").replace("\n", "|") for text in texts]
    letters = [f"{VICUNA_V1.before_answer} {letter}" for letter in string.ascii_uppercase]
    return rendered * 4 + letters * 20 + [string.printable.strip()]


def write_tokenizer(folder: Path) -> int:
    """A sentencepiece BPE tokenizer trained on the prompts, as LLaMA's is set up; its size."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, model_type="bpe",
        vocab_size=900, hard_vocab_limit=False, byte_fallback=True, character_coverage=1.0,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        num_threads=1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {
        "tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True,
        "add_eos_token": False, "pad_token": None, "model_max_length": 2048,
        "padding_side": "right", "clean_up_tokenization_spaces": False, **special,
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", {**special, "pad_token": "<unk>"})
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).vocab_size()


def option_rows(variant: Variant, draw: Draw, letters: int) -> Tensor:
    """Rows of the output layer for ▁A, ▁B, …, louder than all others, so that answers are letters.

    A and B are loudest and opposite: the image decides between them, at times by very little. Then
    one of C to H may win, EmoSet's other letters.
    """
    loudness = torch.tensor([6.0] * 2 + [2.5] * 6 + [1.0] * (letters - 8))[:, None]
    rows = draw(letters, variant.hidden, std=0.075 * variant.gain) * loudness
    rows[1] = -rows[0]
    return rows


def end_after_letters(weights: Tensors, letters: list[int], end: int) -> None:
    """Let answers end after their letter, as a trained model's do.

    The last channel says "a letter was just written" and nothing else: only the letters' embeddings
    write to it, and only the end token's row of the output layer reads it.
    """
    for name, tensor in weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")) or "mm_projector" in name:
            tensor[-1] = 0
    embeddings, head = weights["model.embed_tokens.weight"], weights["lm_head.weight"]
    embeddings[:, -1] = head[:, -1] = head[end] = 0
    embeddings[letters, -1], head[end, -1] = 60.0, 6.0


def write_llava(folder: Path, variant: Variant) -> Path:
    """A whole checkpoint folder."""
    folder.mkdir(parents=True)
    vocabulary = write_tokenizer(folder)
    draw = Draw(variant.seed)
    weights = language_weights(variant, draw, vocabulary)
    if not variant.tied:
        processor = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
        ids = [processor.piece_to_id(f"▁{letter}") for letter in string.ascii_uppercase]
        weights["lm_head.weight"][ids] = option_rows(variant, draw, len(ids))
        end_after_letters(weights, ids, processor.eos_id())
    if variant.embedded_tower:
        own = tower_weights(variant, draw)
        weights |= {f"{EMBEDDED_TOWER}{name}": tensor for name, tensor in own.items()}
    write_weights(weights, folder, variant)
    write_json(folder / "config.json", model_config(variant, vocabulary))
    write_tower(folder / "vision_tower", variant, tower_weights(variant, draw))
    return folder


@pytest.fixture(scope="session")
def make_llava() -> MakeLlava:
    """A function that writes a tiny checkpoint to a new folder: `make_llava(folder, kv_heads=2)`.

    Keyword arguments are the fields of `Variant`.
    """
    return lambda folder, **changes: write_llava(folder, replace(Variant(), **changes))


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory, make_llava: MakeLlava) -> Path:
    """A LLaVA-1.5 of 16 visual tokens whose answers and confidences differ between images."""
    return make_llava(tmp_path_factory.mktemp("checkpoint") / "llava-tiny")


@pytest.fixture(scope="session")
def tiny_llava_gqa(tmp_path_factory: pytest.TempPathFactory, make_llava: MakeLlava) -> Path:
    """The same with grouped-query attention: 4 heads share 2 keys and values."""
    folder = tmp_path_factory.mktemp("checkpoint") / "llava-tiny-gqa"
    return make_llava(folder, kv_heads=2, seed=21)


@dataclass(frozen=True)
class VilaVariant(Variant):
    """What may differ between VILA-1.5 checkpoints: 5 × 5 patches, an odd number in a line."""

    seed: int = 45
    kv_heads: int = 2
    image: int = 70
    model_type: str = "llava_llama"
    image_aspect_ratio: str | None = "resize"
    adds_bos: bool = False
    """The tokenizer writes BOS by itself, as Llama-3's does since 23 April 2024."""
    recorded_name: str = "./checkpoints/vila-siglip-llama3-8b-pretrain_r4/llm"
    part_configs: bool = True
    """Each folder has its own configuration; else the root's copies are all there is."""


LLAMA_3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA_3_SPECIAL = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "[PAD]"),
]


def write_llama_3_tokenizer(folder: Path, *, adds_bos: bool) -> Tokenizer:
    """A byte-level BPE tokenizer trained on the queries, its special tokens the last ids."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    headers = [f"{role}\n\n" for role in ("system", "user", "assistant")]
    tokenizer.train_from_iterator([*queries(), VILA_SYSTEM, *headers] * 4, trainer)
    tokenizer.add_special_tokens(LLAMA_3_SPECIAL)
    bos = LLAMA_3_SPECIAL[0]
    steps: list[Any] = [processors.ByteLevel(trim_offsets=False)]
    if adds_bos:
        own_id = (bos, tokenizer.token_to_id(bos))
        steps.append(processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[own_id]))
    tokenizer.post_processor = processors.Sequence(steps) if adds_bos else steps[0]
    tokenizer.save(str(folder / "tokenizer.json"))
    special = dict(zip(("bos_token", "eos_token"), LLAMA_3_SPECIAL[:2], strict=True))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": True,
        "legacy": False, "model_max_length": 4096, "padding_side": "right", **special,
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", special | {"pad_token": "[PAD]"})
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    assert found is not None, token
    return found


def siglip_weights(variant: VilaVariant, draw: Draw) -> Tensors:
    """The whole of SigLIP's vision tower, its attention-pool head too."""
    width, inner = variant.vision_hidden, 2 * variant.vision_hidden
    patches = (variant.image // variant.patch) ** 2
    weights = {
        "embeddings.patch_embedding.weight": draw(width, 3, variant.patch, variant.patch, std=0.1),
        "embeddings.patch_embedding.bias": draw(width, std=0.05),
        "embeddings.position_embedding.weight": draw(patches, width, std=0.5),
        **encoder_weights(variant, draw, ["post_layernorm", "head.layernorm"]),
        "head.probe": draw(1, 1, width, std=1.0),
        "head.attention.in_proj_weight": draw(3 * width, width, std=width**-0.5),
        "head.attention.in_proj_bias": draw(3 * width, std=0.05),
    }
    shapes = {"attention.out_proj": (width, width), "mlp.fc1": (inner, width)}
    for name, (rows, columns) in (shapes | {"mlp.fc2": (width, inner)}).items():
        weights[f"head.{name}.weight"] = draw(rows, columns, std=columns**-0.5)
        weights[f"head.{name}.bias"] = draw(rows, std=0.05)
    return {f"vision_model.{name}": tensor for name, tensor in weights.items()}


def downsample_weights(variant: VilaVariant, draw: Draw) -> Tensors:
    """VILA's projector under its names; index 0 merges patches, index 3 is the GELU."""
    inputs, width = 4 * variant.vision_hidden, variant.hidden
    weights = {
        "layers.1.weight": draw(inputs, std=0.1, mean=1.0),
        "layers.1.bias": draw(inputs, std=0.1),
    }
    for index, columns in ((2, inputs), (4, width)):
        weights[f"layers.{index}.weight"] = draw(width, columns, std=columns**-0.5)
        weights[f"layers.{index}.bias"] = draw(width, std=0.1)
    return weights


def vila_configs(variant: VilaVariant, vocabulary: int) -> dict[str, Json]:
    """The configuration of each of the three folders, in the words of the original."""
    llama = {
        "_name_or_path": variant.recorded_name, "architectures": ["LlamaForCausalLM"],
        "model_type": "llama", "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": vocabulary - 6, "eos_token_id": vocabulary - 5,
        "hidden_act": "silu", "hidden_size": variant.hidden, "initializer_range": 0.02,
        "intermediate_size": 2 * variant.hidden, "max_position_embeddings": 8192,
        "model_max_length": 4096, "num_attention_heads": variant.heads,
        "num_hidden_layers": variant.layers, "num_key_value_heads": variant.kv_heads,
        "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
        "rope_theta": 500000.0, "tie_word_embeddings": variant.tied,
        "tokenizer_model_max_length": 4096, "tokenizer_padding_side": "right",
        "torch_dtype": "bfloat16", "transformers_version": "4.36.2", "use_cache": True,
        "vocab_size": vocabulary,
    }  # fmt: skip
    siglip = {
        "architectures": ["SiglipVisionModel"], "model_type": "siglip_vision_model",
        "attention_dropout": 0.0, "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": variant.vision_hidden, "image_size": variant.image,
        "intermediate_size": 2 * variant.vision_hidden, "layer_norm_eps": 1e-06,
        "num_attention_heads": 4, "num_channels": 3, "num_hidden_layers": variant.vision_layers,
        "patch_size": variant.patch, "torch_dtype": "bfloat16", "transformers_version": "4.36.2",
    }  # fmt: skip
    projector = {
        "architectures": ["MultimodalProjector"], "mm_projector_type": "mlp_downsample",
        "model_type": "v2l_projector", "torch_dtype": "bfloat16",
    }  # fmt: skip
    return {"llm": llama, "vision_tower": siglip, "mm_projector": projector}


def write_vila(folder: Path, variant: VilaVariant) -> Path:
    """A whole checkpoint in three folders, bfloat16 as on the hub."""
    for part in ("llm", "vision_tower", "mm_projector"):
        (folder / part).mkdir(parents=True)
    tokenizer = write_llama_3_tokenizer(folder / "llm", adds_bos=variant.adds_bos)
    vocabulary, draw = tokenizer.get_vocab_size(), Draw(variant.seed)
    language = language_weights(variant, draw, vocabulary)
    language = {name: t for name, t in language.items() if "mm_projector" not in name}
    tower, projector = siglip_weights(variant, draw), downsample_weights(variant, draw)
    if not variant.tied:
        ids = [token_id(tokenizer, letter) for letter in string.ascii_uppercase]
        language["lm_head.weight"][ids] = option_rows(variant, draw, len(ids))
        end_after_letters(language, ids, token_id(tokenizer, "<|end_of_text|>"))
        projector["layers.4.weight"][-1] = projector["layers.4.bias"][-1] = 0
    parts = {"llm": language, "vision_tower": tower, "mm_projector": projector}
    for part, weights in parts.items():
        stored = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
        shards = variant.shards if part == "llm" else 1
        write_weights(stored, folder / part, replace(variant, shards=shards))
    configs = vila_configs(variant, vocabulary)
    side = variant.image
    preprocessor = {
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "SiglipImageProcessor",
        "image_std": [0.5, 0.5, 0.5], "processor_class": "SiglipProcessor", "resample": 3,
        "rescale_factor": 1 / 255, "size": {"height": side, "width": side},
    }  # fmt: skip
    write_json(folder / "vision_tower" / "preprocessor_config.json", preprocessor)
    if variant.part_configs:
        for part, config in configs.items():
            write_json(folder / part / "config.json", config)
    root = {
        "_name_or_path": "./vlm", "architectures": ["LlavaLlamaModel"], "drop_path_rate": 0.0,
        "hidden_size": variant.hidden, "image_aspect_ratio": variant.image_aspect_ratio,
        "interpolate_mode": "linear", "mm_hidden_size": variant.vision_hidden,
        "mm_use_im_patch_token": False, "mm_use_im_start_end": False,
        "mm_vision_select_feature": "cls_patch", "mm_vision_select_layer": -2,
        "model_dtype": "torch.bfloat16", "model_type": variant.model_type, "num_video_frames": 8,
        "resume_path": "./vlm", "s2": False, "transformers_version": "4.36.2",
        **{f"{part}_cfg": config for part, config in configs.items()},
    }  # fmt: skip
    write_json(folder / "config.json", root)
    return folder


@pytest.fixture(scope="session")
def make_vila() -> MakeVila:
    """A function that writes a tiny VILA-1.5 to a new folder: `make_vila(folder, adds_bos=True)`.

    Keyword arguments are the fields of `VilaVariant`.
    """
    return lambda folder, **changes: write_vila(folder, replace(VilaVariant(), **changes))


@pytest.fixture(scope="session")
def tiny_vila(tmp_path_factory: pytest.TempPathFactory, make_vila: MakeVila) -> Path:
    """A VILA-1.5 of 9 visual tokens whose answers and confidences differ between images."""
    return make_vila(tmp_path_factory.mktemp("checkpoint") / "vila-tiny")
