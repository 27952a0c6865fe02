"""The language model's prefill, lean in its final layer, and greedy decoding after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from llava.decoder_layer import LayerPass, causal
from llava.past import KeysValues, Past


@dataclass(frozen=True)
class Prefill:
    """What one pass over B spliced prompts of length T gives."""

    logits: Tensor
    """float32[B, V], at the last position."""
    attentions: Tensor | None
    """float32[B, H, M, T], final layer, the M rows asked for; None where none was."""
    past_of: Callable[[Tensor], Past]
    """Given batch rows int64[B'], what stands before the answer's second token.

    Few answers are decoded, so a plain prefill keeps nothing for it and computes it again here."""


def prefill(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    attention_rows: Sequence[int] = (),
    past: Past | None = None,
) -> Prefill:
    """One pass over the whole prompt (Eq. 3, 5), or over what stands behind its beginning.

    All layers run SDPA. The final layer attends and feeds forward for the last position only, and
    attention weights exist only for the rows asked for, since nothing else of it is ever read.

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        inputs_embeds: float[B, S, D], no padding.
        attention_rows: M positions in [0, S) whose attention over all T = P + S is wanted.
        past: P positions that stand before these.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    device, length = inputs_embeds.device, inputs_embeds.shape[1]
    start = past.length if past else 0
    final = run_layers(language_model, inputs_embeds, _positions(start, length, device), past)
    last = final.output_at([length - 1], None)[:, 0]  # it sees all
    attentions = None
    if attention_rows:
        visible = causal([start + row for row in attention_rows], start + length, device)
        attentions = final.attentions(attention_rows, visible)
    logits = next_token_logits(language_model, last)

    def past_of(rows: Tensor) -> Past:
        return keys_and_values(language_model, inputs_embeds[rows], past and past.of(rows))

    return Prefill(logits, attentions, past_of)


def keys_and_values(
    language_model: LlamaForCausalLM, inputs_embeds: Tensor, past: Past | None = None
) -> Past:
    """Keys and values of the past and of float[B, S, D] behind it, every layer's.

    Nothing else of the final layer is computed: nothing else of it is read there.
    """
    start, length = past.length if past else 0, inputs_embeds.shape[1]
    layers: list[KeysValues] = []
    positions = _positions(start, length, inputs_embeds.device)
    run_layers(language_model, inputs_embeds, positions, past, keep=lambda p: layers.append(p.all))
    return Past(layers)


def run_layers(
    language_model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    positions: Tensor,
    past: Past | None = None,
    visible: Tensor | None = None,
    keep: Callable[[LayerPass], object] = lambda _: None,
) -> LayerPass:
    """The final layer, its input being what all layers before it make of float[B, S, D].

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        inputs_embeds: float[B, S, D].
        positions: int64[S], what the rotary embedding counts.
        past: P positions that stand before these.
        visible: bool[S, P + S], what each position sees; None: the past, what stands before it, and
            itself.
        keep: called with every layer's pass before its output is computed; what it does not take
            is gone after the layer.

    Raises:
        ValueError: the model is another than `require_plain` wants.
    """
    require_plain(language_model)
    model = language_model.model
    rotation = model.rotary_emb(inputs_embeds, position_ids=positions[None])
    *earlier, final = cast("list[LlamaDecoderLayer]", list(model.layers))

    def pass_through(layer: LlamaDecoderLayer, index: int, hidden_states: Tensor) -> LayerPass:
        before = past.in_layer(index) if past else None
        layer_pass = LayerPass(layer, hidden_states, rotation, before)
        keep(layer_pass)
        return layer_pass

    hidden_states = inputs_embeds
    for index, layer in enumerate(earlier):
        hidden_states = pass_through(layer, index, hidden_states).output(visible)
    return pass_through(final, len(earlier), hidden_states)


def _positions(start: int, length: int, device: torch.device) -> Tensor:
    return torch.arange(start, start + length, device=device)


def next_token_logits(language_model: LlamaForCausalLM, output: Tensor) -> Tensor:
    """Logits float32[..., V] from the final layer's output float[..., D]."""
    return language_model.lm_head(language_model.model.norm(output)).float()


def require_plain(language_model: LlamaForCausalLM) -> None:
    """Raise `ValueError` unless the model is a LLaMA as our own layers compute it."""
    config = language_model.config
    if config._attn_implementation != "sdpa":
        raise ValueError(f"prefill needs sdpa attention, got {config._attn_implementation}")
    if config.hidden_act != "silu":
        raise ValueError(f"prefill needs hidden_act silu, got {config.hidden_act}")


def decode(
    language_model: LlamaForCausalLM,
    prefilled: Prefill,
    rows: Sequence[int],
    max_new_tokens: int,
    end_ids: frozenset[int],
) -> list[list[int]]:
    """Greedy continuations of some rows of a prefill, up to and without the end token.

    Args:
        language_model: the model that prefilled.
        prefilled: its prefill, which is left as it was.
        rows: the batch rows to go on with.
        max_new_tokens: at most so many ids each.
        end_ids: ids that end an answer.
    """
    index = torch.tensor(list(rows), device=prefilled.logits.device)
    chosen = prefilled.past_of(index)
    past = [chosen.in_layer(layer) for layer in range(len(chosen.layers))]
    token = prefilled.logits[index].argmax(dim=-1)
    answers: list[list[int]] = [[] for _ in rows]
    ended = [False] * len(answers)
    for _ in range(max_new_tokens):
        for row, token_id in enumerate(token.tolist()):
            ended[row] = ended[row] or token_id in end_ids
            if not ended[row]:
                answers[row].append(token_id)
        if all(ended):
            break
        token = _next_logits(language_model, token, past).argmax(dim=-1)
    return answers


def _next_logits(language_model: LlamaForCausalLM, token: Tensor, past: list[KeysValues]) -> Tensor:
    """Logits float32[B, V] after one more token int64[B], which the past then holds too.

    In each layer the token stands right after what stands before it in that layer: after a prefill
    that shortened the sequence between layers these positions differ, and no single one fits all.
    """
    model = language_model.model
    hidden_states = model.embed_tokens(token[:, None])
    for index, layer in enumerate(cast("list[LlamaDecoderLayer]", list(model.layers))):
        positions = _positions(past[index].length, 1, token.device)
        rotation = model.rotary_emb(hidden_states, position_ids=positions[None])
        layer_pass = LayerPass(layer, hidden_states, rotation, past[index])
        past[index] = layer_pass.all
        hidden_states = layer_pass.output()
    return next_token_logits(language_model, hidden_states[:, -1])
