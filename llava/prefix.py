"""Prompts that begin alike: the KV cache of their prefix, and texts packed into a pass after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from llava.kv_cache import KVCache
from llava.language import Prefill, next_token_logits, run_layers


@dataclass(frozen=True)
class Prefix:
    """A beginning that prompts share: the text before the image, or that and each of B images."""

    before_image: tuple[int, ...]
    """Ids of the text."""
    cache: KVCache
    """P positions; a row for each image, or a single one that holds no image."""


def prefill_with_prefix(
    language_model: LlamaForCausalLM,
    prefix: KVCache,
    texts: Sequence[Tensor],
    rows: Sequence[Sequence[int]],
    columns: slice,
    hidden: Sequence[Sequence[Sequence[int]]] = (),
) -> list[Prefill]:
    """One pass over K texts, each as if it alone followed the prefix.

    The texts are packed into one sequence: each position sees the prefix, but for what is hidden
    from its text, and what stands before it in its own text. The rotary embedding counts it from
    the prefix's end. Decoding reads what the text saw.

    Args:
        language_model: a `LlamaForCausalLM` as `require_plain` wants it.
        prefix: cache of its P positions, of B rows that go on.
        texts: K embeddings float[B, S_k, D].
        rows: for each text the M_k positions in [0, S_k) whose attention is wanted.
        columns: those of the prefix that it is wanted to.
        hidden: for each text and row the positions of the prefix that it does not see, equally
            many in the rows of one text; empty: every text sees all.

    Returns:
        One `Prefill` for each text.
    """
    device = texts[0].device
    lengths = [text.shape[1] for text in texts]
    ends = list(accumulate(lengths))
    spans = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    positions = prefix.length + torch.cat([torch.arange(n, device=device) for n in lengths])
    own_texts = [torch.ones(n, n, dtype=torch.bool, device=device).tril() for n in lengths]
    visible = functional.pad(torch.block_diag(*own_texts), (prefix.length, 0), value=True)
    hidden = hidden or [()] * len(texts)
    if any(map(any, hidden)):
        visible = _without(visible, spans, hidden)
    packed = torch.cat(list(texts), dim=1)
    final, layers = run_layers(language_model, packed, prefix, visible, positions)
    last = [end - 1 for end in ends]
    seen = visible[..., last, :]
    logits = next_token_logits(language_model, final.output_at(last, seen))  # [B, K, V]
    prefills = []
    for k, (span, unseen) in enumerate(zip(spans, hidden, strict=True)):
        attentions = None
        if packed_rows := [span.start + row for row in rows[k]]:
            attentions = final.attentions(packed_rows, visible[..., packed_rows, :])[..., columns]
        text = KVCache([layer.slice_positions(span.start, span.stop) for layer in layers])
        read = prefix.without(unseen) if any(unseen) else prefix
        prefills.append(Prefill(logits[:, k], attentions, (read, text)))
    return prefills


def _without(
    visible: Tensor, spans: Sequence[slice], hidden: Sequence[Sequence[Sequence[int]]]
) -> Tensor:
    """Mask bool[B, 1, S, T]: what bool[S, T] shows, without what is hidden from each text."""
    batch = max(map(len, hidden))
    visible = visible.repeat(batch, 1, 1)
    for span, unseen in zip(spans, hidden, strict=True):
        if any(unseen):
            columns = torch.tensor(unseen, device=visible.device)[:, None]  # [B, 1, hidden]
            text = visible[:, span]
            text.scatter_(2, columns.expand(-1, text.shape[1], -1), False)
    return visible[:, None]
