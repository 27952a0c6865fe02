"""The attention kernel that PyTorch would choose on a Hopper GPU.

As `select_sdp_backend` in `aten/src/ATen/native/transformers/cuda/sdp_utils.cpp` does, without
what cannot happen here (nested tensors, gradients, dropout). Where versions differ, the stricter
rule holds: memory-efficient attention with `enable_gqa` is new.
"""

from typing import Literal

import torch
from torch import Tensor

Kernel = Literal["cudnn", "flash", "memory-efficient", "math"]

HALF = (torch.float16, torch.bfloat16)
ALIGNMENT = 16
"""Bytes; of a head's row and of where each tensor begins."""


def chosen_kernel(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, causal: bool, grouped: bool
) -> Kernel:
    """The first of the four that takes the call; math takes all, and is slow and large."""
    if not _shapes_fit(query, key, value, grouped=grouped):
        return "math"
    half, width = query.dtype in HALF, query.shape[-1]
    contiguous = all(t.stride(-1) == 1 for t in (query, key, value) if t.shape[-1] > 1)
    if torch.backends.cuda.cudnn_sdp_enabled():
        aligned = width % 8 == 0 and width <= 128
        if half and aligned and contiguous and key.shape[2] > 1:
            return "cudnn"
    square = query.shape[2] == key.shape[2]
    if half and mask is None and width <= 256 and contiguous and (square or not causal):
        return "flash"
    if not grouped and contiguous and all(_aligned(t) for t in (query, key, value)):
        return "memory-efficient"
    return "math"


def _shapes_fit(query: Tensor, key: Tensor, value: Tensor, *, grouped: bool) -> bool:
    """True if a fused kernel takes shapes [B, H, T, d] of these three."""
    if not query.dim() == key.dim() == value.dim() == 4 or 0 in (*query.shape, *key.shape):
        return False
    if not (query.dtype == key.dtype == value.dtype) or query.shape[-1] != key.shape[-1]:
        return False
    if not query.shape[0] == key.shape[0] == value.shape[0] or key.shape[1] != value.shape[1]:
        return False
    return query.shape[1] == key.shape[1] or (grouped and query.shape[1] % key.shape[1] == 0)


def _aligned(tensor: Tensor) -> bool:
    size = tensor.element_size()
    return (
        tensor.shape[-1] * size % ALIGNMENT == 0 and tensor.storage_offset() * size % ALIGNMENT == 0
    )
