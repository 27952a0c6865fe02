"""SparseVLM's prefill against its description, followed step by step in plain loops.

The transcription computes in float64 with its own eager attention and shares no code with the
implementation. It follows arXiv 2410.04417 and what its authors' code does: raters come from the
input embeddings; after some layers the layer's own attention scores visual tokens; the best stay,
the next 30% are clustered (DPC-kNN) and each cluster is replaced by its mean.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from llava.language import LayerState, Prefill, Reduce, decode, prefill, prefill_layerwise
from llava.model import VisualTokens
from sepm.baselines.sparsevlm_prefill import SparsePrefill
from sepm.baselines.sparsevlm_settings import SparseVLMSettings, SparseVLMVersion
from sepm.method.dialogue import ReducedPrefill
from sepm.records.writing import token_usage

PREFIX, TEXT = 7, 13

FIXED = {192: [300, 200, 110], 128: [303, 110, 36], 96: [238, 48, 26], 64: [66, 30, 17]}
RANK = {192: (13.5, 0), 128: (9, 6), 64: (0.8, 0)}


def random_llama(layers: int, width: int = 32, heads: int = 4) -> LlamaForCausalLM:
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 2),
        initializer_range=0.18,
        max_position_embeddings=2048,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    model.set_attn_implementation("sdpa")
    return model


@dataclass
class Model:
    """A language model between given embeddings, which keeps what every layer gave and left."""

    language_model: LlamaForCausalLM
    before: Tensor
    after: Tensor
    seen: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Of each layer the visual tokens that it gave, and those that went on."""

    @property
    def num_layers(self) -> int:
        return self.language_model.config.num_hidden_layers

    def splice(self, image: VisualTokens) -> Tensor:
        return torch.cat([self.before, image.features, self.after])[None]

    def prefill_layerwise(self, prompt: None, image: VisualTokens, reduce: Reduce) -> Prefill:
        def watched(layer: int, state: LayerState) -> Tensor | None:
            kept = reduce(layer, state)
            if layer >= 0:
                given = state.visual_tokens
                self.seen.append((given, given if kept is None else kept))
            return kept

        where = slice(PREFIX, PREFIX + image.num_tokens)
        return prefill_layerwise(self.language_model, self.splice(image), where, watched)


@dataclass(frozen=True)
class Case:
    """One model, one image, one setting."""

    model: Model
    visual_tokens: Tensor
    settings: SparseVLMSettings

    def run(self) -> ReducedPrefill:
        model: Any = self.model
        prompt: Any = None
        with torch.inference_mode():
            return SparsePrefill(self.settings).prefill(
                model, prompt, VisualTokens(self.visual_tokens)
            )


def case(
    version: SparseVLMVersion = "1.5",
    retain: int = 64,
    layers: tuple[int, ...] = (1, 3, 5),
    num_tokens: int = 120,
    depth: int = 8,
    seed: int = 0,
) -> Case:
    language_model = random_llama(depth)
    draw = torch.Generator().manual_seed(seed)
    width = language_model.config.hidden_size
    before = torch.randn(PREFIX, width, generator=draw)
    after = torch.randn(TEXT, width, generator=draw) * 0.4
    visual_tokens = torch.randn(num_tokens, width, generator=draw)
    model = Model(language_model, before, after)
    return Case(model, visual_tokens, SparseVLMSettings(version, retain, layers))


@dataclass
class Transcript:
    """What the description says happens."""

    logits: Tensor
    counts: list[int]
    kept: dict[int, list[int]]
    """By layer, the indices that stay, among the visual tokens that the layer had."""
    merged: dict[int, Tensor]
    keys: list[Tensor]
    values: list[Tensor]


class Eager:
    """LLaMA in float64, one layer at a time, every weight of attention computed."""

    def __init__(self, language_model: LlamaForCausalLM) -> None:
        self.weights = {name: w.double() for name, w in language_model.state_dict().items()}
        self.config = language_model.config
        self.head = self.config.hidden_size // self.config.num_attention_heads

    def norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return weight * x / (x.square().mean(-1, keepdim=True) + self.config.rms_norm_eps).sqrt()

    def rope(self, x: Tensor, first_position: int) -> Tensor:
        """float64[H, T, d], turned by position, dimension i together with i + d / 2."""
        half = self.head // 2
        turned = x.clone()
        for t in range(x.shape[1]):
            for i in range(half):
                angle = torch.tensor((first_position + t) / 10000 ** (2 * i / self.head)).double()
                a, b = x[:, t, i], x[:, t, i + half]
                turned[:, t, i] = a * angle.cos() - b * angle.sin()
                turned[:, t, i + half] = b * angle.cos() + a * angle.sin()
        return turned

    def layer(
        self, index: int, x: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Output [T, D], attention [H, T, T'], and all keys and values, of T new positions."""
        weights = {
            name.removeprefix(f"model.layers.{index}.").removesuffix(".weight"): weight
            for name, weight in self.weights.items()
        }
        first = 0 if past is None else past[0].shape[1]
        normed = self.norm(x, weights["input_layernorm"])
        query, key, value = (
            (normed @ weights[f"self_attn.{name}_proj"].T)
            .reshape(len(x), -1, self.head)
            .transpose(0, 1)
            for name in "qkv"
        )
        query, key = self.rope(query, first), self.rope(key, first)
        if past is not None:
            key, value = torch.cat([past[0], key], 1), torch.cat([past[1], value], 1)
        group = len(query) // len(key)
        outputs, attention = [], []
        for h in range(len(query)):
            scores = query[h] @ key[h // group].T / self.head**0.5
            for t in range(len(x)):
                scores[t, first + t + 1 :] = float("-inf")
            attention.append(scores.softmax(-1))
            outputs.append(attention[-1] @ value[h // group])
        x = x + torch.cat(outputs, dim=1) @ weights["self_attn.o_proj"].T
        normed = self.norm(x, weights["post_attention_layernorm"])
        gate = normed @ weights["mlp.gate_proj"].T
        inner = gate * gate.sigmoid() * (normed @ weights["mlp.up_proj"].T)
        return x + inner @ weights["mlp.down_proj"].T, torch.stack(attention), key, value

    def logits(self, last: Tensor) -> Tensor:
        return self.norm(last, self.weights["model.norm.weight"]) @ self.weights["lm_head.weight"].T


def dpc_knn(tokens: Tensor, clusters: int) -> Tensor:
    """Section 3 of the description, one token at a time."""
    n, width = tokens.shape
    distance = [
        [float((tokens[i] - tokens[j]).norm()) / width**0.5 for j in range(n)] for i in range(n)
    ]
    density = []
    for i in range(n):
        nearest = sorted(distance[i])[:clusters]
        density.append(float(np.exp(-sum(d * d for d in nearest) / clusters)))
    farthest = max(max(row) for row in distance)
    score = []
    for i in range(n):
        denser = [distance[i][j] for j in range(n) if density[j] > density[i]]
        score.append(density[i] * (min(denser) if denser else farthest))
    centres = sorted(range(n), key=lambda i: (-score[i], i))[:clusters]
    members: list[list[int]] = [[] for _ in centres]
    for i in range(n):
        if i in centres:
            members[centres.index(i)].append(i)
        else:
            to_centres = [distance[i][c] for c in centres]
            members[to_centres.index(min(to_centres))].append(i)
    return torch.stack([tokens[m].mean(dim=0) for m in members])


def transcribe(case: Case) -> Transcript:
    """Section 2 of the description."""
    eager, settings = Eager(case.model.language_model), case.settings
    visual, text = case.visual_tokens.double(), case.model.after.double()
    rating = torch.zeros(len(text)).double()
    for token in visual:
        rating += (text @ token).softmax(0) / len(visual)
    raters = [i for i in range(len(text)) if rating[i] > rating.mean()]
    x = torch.cat([case.model.before.double(), visual, text])
    num = len(visual)
    result = Transcript(torch.empty(0), [num], {}, {}, [], [])
    for index in range(eager.config.num_hidden_layers):
        x, attention, key, value = eager.layer(index, x)
        result.keys.append(key)
        result.values.append(value)
        mean_head = attention.mean(dim=0)
        block = mean_head[[PREFIX + num + i for i in raters], PREFIX : PREFIX + num]
        keep = keep_count(settings, index, block) if index in settings.layers else None
        if keep is not None:
            keep = min(keep, num - 1)
            score = block.mean(dim=0).tolist()
            order = sorted(range(num), key=lambda i: -score[i])
            dropped = order[keep:]
            recycled = dropped[: int(0.3 * len(dropped)) + 1]
            current = x[PREFIX : PREFIX + num]
            result.kept[index] = sorted(order[:keep])
            result.merged[index] = dpc_knn(current[recycled], int(len(recycled) / 10) + 1)
            new = torch.cat([current[result.kept[index]], result.merged[index]])
            x = torch.cat([x[:PREFIX], new, x[PREFIX + num :]])
            num = len(new)
        result.counts.append(num)
    result.logits = eager.logits(x[-1])
    return result


def keep_count(settings: SparseVLMSettings, layer: int, block: Tensor) -> int | None:
    """Before the limit of all tokens but one; None where version 1 skips the layer."""
    if settings.version == "1.5":
        return FIXED[settings.retain][settings.layers.index(layer)]
    scale, bias = RANK[settings.retain]
    rank = int(np.linalg.matrix_rank(block.numpy().astype(np.float32)))
    return None if rank == block.shape[1] else int(rank * scale + bias)


CASES = [
    *(("1.5", 64, (1, 3, 5), seed) for seed in range(3)),
    *(("1", retain, (1, 3, 5, 6), 3) for retain in (192, 128, 64)),
]


@pytest.fixture(
    scope="module", params=CASES, ids=lambda c: f"version {c[0]}, {c[1]} tokens, seed {c[3]}"
)
def pair(request: pytest.FixtureRequest) -> tuple[Case, ReducedPrefill, Transcript]:
    """A case as run and as described."""
    version, retain, layers, seed = request.param
    made = case(version, retain, layers, seed=seed)
    return made, made.run(), transcribe(made)


Pair = tuple[Case, ReducedPrefill, Transcript]


def test_the_visual_tokens_kept_are_those_of_the_description(pair: Pair) -> None:
    made, _, described = pair
    for layer, kept in described.kept.items():
        given, left = made.model.seen[layer]
        for place, index in enumerate(kept):
            torch.testing.assert_close(left[place], given[index], atol=0, rtol=0)


def test_the_merged_tokens_are_those_of_the_description(pair: Pair) -> None:
    made, _, described = pair
    for layer, merged in described.merged.items():
        start = len(described.kept[layer])
        found = made.model.seen[layer][1][start : start + len(merged)]
        torch.testing.assert_close(found, merged.float(), atol=1e-5, rtol=1e-5)


def test_the_counts_are_those_of_the_description(pair: Pair) -> None:
    _, found, described = pair
    assert list(found.visual_token_counts) == described.counts
    assert len(set(described.counts)) > 2


def test_the_logits_are_those_of_the_description(pair: Pair) -> None:
    _, found, described = pair
    assert described.logits.std() > 0.1
    torch.testing.assert_close(
        found.prefill.logits[0], described.logits.float(), atol=1e-4, rtol=1e-4
    )


def test_an_answer_is_decoded_at_each_layers_own_position(pair: Pair) -> None:
    made, found, described = pair
    assert isinstance(found.prefill, Prefill)
    eager = Eager(made.model.language_model)
    expected = [int(described.logits.argmax())]
    past = list(zip(described.keys, described.values, strict=True))
    for _ in range(3):
        x = eager.weights["model.embed_tokens.weight"][expected[-1]][None]
        for index in range(eager.config.num_hidden_layers):
            x, _, key, value = eager.layer(index, x, past[index])
            past[index] = key, value
        expected.append(int(eager.logits(x[-1]).argmax()))
    with torch.inference_mode():
        answer = decode(made.model.language_model, found.prefill, [0], 4, frozenset())
    assert answer == [expected]


def test_an_image_whose_attention_has_full_rank_is_prefilled_as_it_is() -> None:
    made = case("1", 192, (1, 3), num_tokens=2)
    found = made.run()
    assert set(found.visual_token_counts) == {2}
    embeds = made.model.splice(VisualTokens(made.visual_tokens))
    with torch.inference_mode():
        plain = prefill(made.model.language_model, embeds)
    torch.testing.assert_close(found.prefill.logits, plain.logits, atol=1e-5, rtol=1e-5)


def test_a_budget_above_the_image_moves_the_lowest_scored_token_behind_the_others() -> None:
    made = case("1.5", 192, (1, 3, 5), num_tokens=20)
    assert made.run().visual_token_counts == (20,) * 9
    given, left = made.model.seen[1]
    moved = next(i for i in range(19) if not left[i].equal(given[i]))
    order = [*range(moved), *range(moved + 1, 20), moved]
    torch.testing.assert_close(left, given[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("retain", "after", "processed", "last"),
    [
        (192, 192.0, 206.5, 113),
        (128, 128.6, 145.4, 39),
        (96, 96.9, 114.1, 27),
        (64, 64.8, 82.3, 18),
    ],
)
def test_32_layers_and_576_tokens_give_the_counts_that_the_authors_report(
    retain: int, after: float, processed: float, last: int
) -> None:
    made = case("1.5", retain, (2, 6, 15), num_tokens=576, depth=32)
    usage = token_usage(made.run().visual_token_counts)
    assert len(usage["tokens_after_layer"]) == 32
    assert usage["tokens_after_layer"][-1] == last
    assert usage["mean_tokens"] == pytest.approx(after, abs=0.0501)
    assert usage["mean_tokens_processed"] == pytest.approx(processed, abs=0.0501)
