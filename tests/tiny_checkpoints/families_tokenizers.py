"""Tokenizers of the tiny families: a fixed vocabulary, nothing is trained.

Both kinds know the 256 bytes and some words that begin with a space, each option letter among them.
So every text round-trips, and a letter is one token at the beginning of an answer, with a space
before it or without. No merge begins inside a word: a word is merged from its left to its end.
"""

import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from tests.tiny_checkpoints.weights import write_json

VOCABULARY = 512
"""Rows of every family's embedding; some belong to no token, as in Qwen's padded vocabulary."""

WORDS = [*string.ascii_uppercase, "the", "image", "emotion", "focus", "on", "Positive", "Negative"]
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class TokenizerRecipe:
    """Special tokens of one family and what its `tokenizer_config.json` says of them."""

    eos: str
    tokenizer_class: str
    bos: str | None = None
    pad: str | None = None
    end_of_turn: str | None = None
    """Token that ends an answer where that is not `eos`."""
    adds_bos: bool = False
    byte_level: bool = True
    """GPT-2's alphabet of bytes; otherwise sentencepiece's pieces with byte fallback."""
    named: dict[str, str] = field(default_factory=dict)
    """Special tokens that the tokenizer has as attributes: `image_token` and the like."""
    others: tuple[str, ...] = ()
    """Special tokens that only the chat template or the processor writes."""

    def special_tokens(self) -> list[str]:
        """Every special token once; their ids begin at 0 in this order."""
        own = [self.pad, self.eos, self.bos, self.end_of_turn, *self.named.values(), *self.others]
        unknown = [] if self.byte_level else ["<unk>"]
        return list(dict.fromkeys([*filter(None, own), *unknown]))


def write_tokenizer(folder: Path, recipe: TokenizerRecipe) -> Tokenizer:
    """`tokenizer.json` and `tokenizer_config.json`."""
    if recipe.byte_level:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = byte_level(_bpe(recipe, alphabet, space="Ġ"), QWEN_WORDS)
    else:
        tokenizer = sentencepiece_like(recipe)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in recipe.special_tokens()]
    )
    if recipe.adds_bos:
        assert recipe.bos is not None
        bos = (recipe.bos, tokenizer.token_to_id(recipe.bos))
        tokenizer.post_processor = TemplateProcessing(
            single=f"{recipe.bos} $A", pair=f"{recipe.bos} $A {recipe.bos} $B", special_tokens=[bos]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": recipe.tokenizer_class, "bos_token": recipe.bos,
        "eos_token": recipe.eos, "pad_token": recipe.pad, "model_max_length": 4096,
        "unk_token": None if recipe.byte_level else "<unk>",
        "add_bos_token": recipe.adds_bos, "add_eos_token": False,
        "clean_up_tokenization_spaces": False, "padding_side": "left",
        "extra_special_tokens": recipe.named, **recipe.named,
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", config)
    return tokenizer


def byte_level(bpe: models.BPE, words: str) -> Tokenizer:
    """BPE over bytes, split into words by a pattern."""
    tokenizer = Tokenizer(bpe)
    split = pre_tokenizers.Split(Regex(words), "isolated")
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_of])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentencepiece_like(recipe: TokenizerRecipe) -> Tokenizer:
    """BPE over characters with "▁" for a space; LLaMA's writes one before each text, Gemma's not.

    A line break is a token of Gemma's and a byte of LLaMA's.
    """
    gemma = recipe.tokenizer_class.startswith("Gemma")
    alphabet = [f"<0x{byte:02X}>" for byte in range(256)]
    alphabet += ["▁", *(["\n"] if gemma else []), *string.printable[: -len(string.whitespace)]]
    tokenizer = Tokenizer(_bpe(recipe, alphabet, space="▁", byte_fallback=True))
    spaces = normalizers.Replace(" ", "▁")
    leading = normalizers.Sequence([normalizers.Prepend("▁"), spaces])
    tokenizer.normalizer = spaces if gemma else leading
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(
        steps if gemma else [*steps, decoders.Strip(content=" ", left=1)]
    )
    return tokenizer


def _bpe(
    recipe: TokenizerRecipe, alphabet: list[str], space: str, byte_fallback: bool = False
) -> models.BPE:
    """Special tokens, alphabet, and the words with all their beginnings."""
    merges = [
        (space + word[:length], word[length]) for word in WORDS for length in range(len(word))
    ]
    merges = list(dict.fromkeys(merges))
    merged = [left + right for left, right in merges]
    tokens = [*recipe.special_tokens(), *alphabet, *merged]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    assert len(tokens) == len(vocabulary) <= VOCABULARY, len(tokens)
    unknown = None if recipe.byte_level else "<unk>"
    return models.BPE(
        vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=byte_fallback
    )


def _llama(*others: str) -> TokenizerRecipe:
    return TokenizerRecipe(
        tokenizer_class="LlamaTokenizer", bos="<s>", eos="</s>", pad="<pad>", adds_bos=True,
        byte_level=False, named={"image_token": "<image>"}, others=others,
    )  # fmt: skip


def _qwen(named: dict[str, str], *others: str) -> TokenizerRecipe:
    return TokenizerRecipe(
        tokenizer_class="Qwen2Tokenizer", eos="<|im_end|>", pad="<|endoftext|>", named=named,
        others=("<|im_start|>", *others),
    )  # fmt: skip


def _gemma(named: dict[str, str], end_of_turn: str | None, *others: str) -> TokenizerRecipe:
    return TokenizerRecipe(
        tokenizer_class="GemmaTokenizer", pad="<pad>", eos="<eos>", bos="<bos>", adds_bos=True,
        end_of_turn=end_of_turn, byte_level=False, named=named, others=("<mask>", *others),
    )  # fmt: skip


QWEN_VISION = _qwen({}, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")

TOKENIZERS: dict[str, TokenizerRecipe] = {
    "llava": _llama(),
    "llava_next": _llama(),
    "llava_onevision": _qwen({}, "<image>", "<video>"),
    "qwen2_vl": QWEN_VISION,
    "qwen2_5_vl": QWEN_VISION,
    "qwen3_vl": QWEN_VISION,
    "internvl": _qwen(
        {
            "context_image_token": "<IMG_CONTEXT>",
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "video_token": "<video>",
        }
    ),
    "gemma3": _gemma(
        {
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
        "<end_of_turn>",
        "<start_of_turn>",
    ),
    "smolvlm": TokenizerRecipe(
        tokenizer_class="GPT2Tokenizer", bos="<|im_start|>", eos="<end_of_utterance>",
        pad="<|im_end|>",
        named={
            "image_token": "<image>",
            "fake_image_token": "<fake_token_around_image>",
            "global_image_token": "<global-img>",
            "end_of_utterance_token": "<end_of_utterance>",
        },
        others=tuple(f"<row_{row}_col_{col}>" for row in range(1, 5) for col in range(1, 5)),
    ),
    "mistral3": TokenizerRecipe(
        tokenizer_class="PreTrainedTokenizerFast", bos="<s>", eos="</s>", pad="<pad>",
        adds_bos=True, others=("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]"),
    ),
    "glm4v": TokenizerRecipe(
        tokenizer_class="PreTrainedTokenizerFast", eos="<|endoftext|>", pad="<|endoftext|>",
        end_of_turn="<|user|>",
        others=(
            "[gMASK]", "<sop>", "<|assistant|>", "<|image|>", "<|video|>", "<|begin_of_image|>",
            "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>",
        ),
    ),
    "paligemma": _gemma({"image_token": "<image>"}, None),
}  # fmt: skip
