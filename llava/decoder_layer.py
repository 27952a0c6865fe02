"""One decoder layer of LLaMA over new positions, computed as far as something of it is read.

It is written out from the layer's own submodules. Keys and values exist for all positions; queries,
output and MLP for those that are asked for: all of them in the layers before the final one, a few
in the final one. What an earlier operation made is overwritten where nobody else reads it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.llama.modeling_llama import (
    LlamaDecoderLayer,
    LlamaMLP,
    LlamaRMSNorm,
    repeat_kv,
)

from llava.kv_cache import LayerCache

Rotation = tuple[Tensor, Tensor]
"""cos and sin of the rotary position embedding, float[1, S, d] each."""


class LayerPass:
    """A layer over S new positions, T = P + S with the P that stand before them.

    Args:
        layer: the decoder layer.
        hidden_states: float[B, S, D], its input.
        rotation: of the S positions.
        prefix: cache of the P positions; None: there are none.
    """

    def __init__(
        self,
        layer: LlamaDecoderLayer,
        hidden_states: Tensor,
        rotation: Rotation,
        prefix: LayerCache | None = None,
    ) -> None:
        self._layer = layer
        self._hidden_states = hidden_states
        self._rotation = rotation
        self._normed = rms_norm(layer.input_layernorm, hidden_states)
        attention = layer.self_attn
        key = rotated(split_heads(attention.k_proj(self._normed), attention.head_dim), *rotation)
        value = split_heads(attention.v_proj(self._normed), attention.head_dim)
        self.new_cache = LayerCache(key, value)
        """Keys and values of the S positions."""
        self.whole_cache = self.new_cache if prefix is None else prefix.followed_by(self.new_cache)
        """Keys and values of all T positions."""

    def output(self, visible: Tensor | None = None) -> Tensor:
        """The layer's output float[B, S, D].

        Args:
            visible: bool[S, T] or bool[B, 1, S, T], what each position sees; None: what stands
                before it and itself.
        """
        attended = self._attend(self._queries(), visible, causal=True)
        return self._output(self._hidden_states, attended)

    def output_after(self, caches: Sequence[LayerCache]) -> Tensor:
        """The layer's output float[B, 1, D] at a single new position.

        Args:
            caches: what it reads, in parts of any lengths that are never joined: the prefix, the
                prompt, and the answer with the new position; a part of one row precedes all rows.
        """
        attended = attend_in_parts(self._queries(), caches, self._layer.self_attn.scaling)
        return self._output(self._hidden_states, attended)

    def output_at(self, rows: Sequence[int], visible: Tensor | None) -> Tensor:
        """The layer's output at K of the S positions, float[B, K, D].

        Args:
            rows: the K positions.
            visible: bool[K, T] or bool[B, 1, K, T], what each of them sees; None: everything,
                which is right for the last position only.
        """
        attended = self._attend(self._queries(list(rows)), visible, causal=False)
        return self._output(self._hidden_states[:, list(rows)], attended)

    def attentions(self, rows: Sequence[int], visible: Tensor) -> Tensor:
        """Attention float32[B, H, M, T] of M of the S positions (Eq. 5), given what each sees."""
        attention = self._layer.self_attn
        key = repeat_kv(self.whole_cache.key, attention.num_key_value_groups).float()
        weights = self._queries(list(rows)).float() @ key.transpose(2, 3) * attention.scaling
        return weights.masked_fill(~visible, float("-inf")).softmax(dim=-1)

    def _queries(self, rows: list[int] | slice = slice(None)) -> Tensor:
        """Rotated queries float[B, H, K, d] of K of the S positions."""
        attention = self._layer.self_attn
        query = split_heads(attention.q_proj(self._normed[:, rows]), attention.head_dim)
        return rotated(query, *(part[:, rows] for part in self._rotation))

    def _attend(self, query: Tensor, visible: Tensor | None, *, causal: bool) -> Tensor:
        """Attention output of K positions, float[B, K, H × d].

        With `causal` and no `visible` they are the last K of the T positions. SDPA's own causal
        mask aligns the first query with the first key, so the queries are padded in front to T and
        the padded rows discarded: no mask in memory, and what is not seen is skipped.
        """
        attention, groups = self._layer.self_attn, self._layer.self_attn.num_key_value_groups
        count, length = query.shape[2], self.whole_cache.length
        causal = causal and visible is None and count > 1
        if causal and count < length:
            query = functional.pad(query, (0, 0, length - count, 0))
        attended = functional.scaled_dot_product_attention(
            query,
            repeat_kv(self.whole_cache.key, groups),
            repeat_kv(self.whole_cache.value, groups),
            attn_mask=visible,
            is_causal=causal,
            scale=attention.scaling,
        )
        return attended[:, :, -count:].transpose(1, 2).flatten(2)

    def _output(self, hidden_states: Tensor, attended: Tensor) -> Tensor:
        """The output float[B, K, D] at K positions, of the input there and of what they read."""
        output = hidden_states + self._layer.self_attn.o_proj(attended)
        normed = rms_norm(self._layer.post_attention_layernorm, output)
        output += feed_forward(self._layer.mlp, normed)
        return output


def rms_norm(norm: LlamaRMSNorm, states: Tensor) -> Tensor:
    """The norm's output float[..., D], by PyTorch's kernel where it has one.

    In float32 it gives the module's own bits; in half precision it rounds once less.
    """
    return functional.rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)


def attend_in_parts(query: Tensor, caches: Sequence[LayerCache], scaling: float) -> Tensor:
    """Attention output of one position over a cache in parts, float[B, 1, H × d].

    One softmax over the scores of all parts, so this is the attention over their concatenation.

    Args:
        query: float[B, H, 1, d].
        caches: keys and values float[B or 1, H_kv, P, d] each.
        scaling: of the scores.
    """
    heads_kv = caches[0].key.shape[1]
    grouped = query.flatten(1, 2).unflatten(1, (heads_kv, -1))  # [B, H_kv, H / H_kv, d]
    grouped = grouped * scaling  # before the product, which overflows in float16 otherwise
    scores = torch.cat([grouped @ cache.key.transpose(2, 3) for cache in caches], dim=-1)
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    parts = weights.split([cache.length for cache in caches], dim=-1)
    first, *others = (w @ cache.value for w, cache in zip(parts, caches, strict=True))
    return sum(others, first).flatten(1)[:, None]


def feed_forward(mlp: LlamaMLP, normed: Tensor) -> Tensor:
    """The MLP's output float[B, K, D]."""
    gate = functional.silu(mlp.gate_proj(normed), inplace=True)
    gate *= mlp.up_proj(normed)
    return mlp.down_proj(gate)


def split_heads(states: Tensor, head_dim: int) -> Tensor:
    """Projected states float[B, S, H × d] as float[B, H, S, d]."""
    return states.unflatten(-1, (-1, head_dim)).transpose(1, 2)


def rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of float[B, H, S, d]: its halves are the pairs' two sides."""
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    half = states.shape[-1] // 2
    output = states * cos
    output[..., :half].addcmul_(states[..., half:], sin[..., :half], value=-1)
    output[..., half:].addcmul_(states[..., :half], sin[..., half:])
    return output


def causal(rows: Sequence[int], length: int, device: torch.device) -> Tensor:
    """Causal mask bool[M, T] of positions `rows`: each sees all up to itself."""
    columns = torch.arange(length, device=device)
    return columns <= torch.tensor(list(rows), device=device)[:, None]
