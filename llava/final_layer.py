"""The language model's final layer, of which little is read.

Only some positions' output (the last of each prompt) and the attention of a few rows are ever read.
So it is written out here from its own submodules: keys and values for all positions, queries,
output and MLP for the few.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, repeat_kv, rotate_half

Rotation = tuple[Tensor, Tensor]
"""cos and sin of the rotary position embedding, float[1, S, d] each."""


class FinalLayer:
    """The final layer over S new positions, T = P + S with those that a cache holds before them.

    Args:
        layer: the decoder layer.
        hidden_states: float[B, S, D], its input.
        rotation: of the S positions.
        cache: gets the keys and values of the S positions; None: there is none.
    """

    def __init__(
        self,
        layer: LlamaDecoderLayer,
        hidden_states: Tensor,
        rotation: Rotation,
        cache: DynamicCache | None,
    ) -> None:
        self.layer = layer
        self.hidden_states = hidden_states
        self.rotation = rotation
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden_states)
        key = split_heads(attention.k_proj(normed), attention.head_dim)  # [B, H_kv, S, d]
        value = split_heads(attention.v_proj(normed), attention.head_dim)
        key = rotate(key, *rotation)
        if cache is not None:
            key, value = cache.update(key, value, attention.layer_idx)
        self.key = repeat_kv(key, attention.num_key_value_groups)  # [B, H, T, d]
        self.value = repeat_kv(value, attention.num_key_value_groups)

    def output(self, rows: Sequence[int], visible: Tensor | None) -> Tensor:
        """The layer's output at K of the S positions, float[B, K, D].

        Args:
            rows: the K positions.
            visible: bool[K, T], what each of them sees; None: everything, which is right for the
                last position only.
        """
        attention = self.layer.self_attn
        query = queries(self.layer, self.hidden_states, self.rotation, rows)
        attended = functional.scaled_dot_product_attention(
            query, self.key, self.value, attn_mask=visible, scale=attention.scaling
        )
        attended = attended.transpose(1, 2).flatten(2)  # [B, K, H × d]
        output = self.hidden_states[:, list(rows)] + attention.o_proj(attended)
        return output + self.layer.mlp(self.layer.post_attention_layernorm(output))

    def attentions(self, rows: Sequence[int], visible: Tensor) -> Tensor:
        """Attention float32[B, H, M, T] of M of the S positions (Eq. 5), given what each sees."""
        query = queries(self.layer, self.hidden_states, self.rotation, rows)
        return attention_weights(query, self.key, visible, self.layer.self_attn.scaling)


def queries(
    layer: LlamaDecoderLayer, hidden_states: Tensor, rotation: Rotation, rows: Sequence[int]
) -> Tensor:
    """A layer's rotated queries float[B, H, M, d] at M positions of its input float[B, S, D]."""
    attention, rows = layer.self_attn, list(rows)
    normed = layer.input_layernorm(hidden_states[:, rows])
    query = split_heads(attention.q_proj(normed), attention.head_dim)
    return rotate(query, *(x[:, rows] for x in rotation))


def split_heads(states: Tensor, head_dim: int) -> Tensor:
    """Projected states float[B, S, H × d] as float[B, H, S, d]."""
    return states.unflatten(-1, (-1, head_dim)).transpose(1, 2)


def rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of float[B, H, S, d]."""
    return states * cos.unsqueeze(1) + rotate_half(states) * sin.unsqueeze(1)


def attention_weights(query: Tensor, key: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """Softmaxed attention float32[B, H, M, T] of float[B, H, M, d] over the keys that each sees."""
    weights = query.float() @ key.float().transpose(2, 3) * scaling
    return weights.masked_fill(~visible, float("-inf")).softmax(dim=-1)


def causal(rows: Sequence[int], length: int, device: torch.device) -> Tensor:
    """What positions `rows` of a plain sequence see, bool[M, T]: all up to themselves."""
    columns = torch.arange(length, device=device)
    return columns <= torch.tensor(list(rows), device=device)[:, None]
