"""Arguments of the language model inside an image-text-to-text model, cut to the tokens kept.

The outer model puts the image into the prompt and calls its language model. A hook there sees all
that goes per token, whatever the family: embeddings, positions, masks, and what some families add.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sepm.errors import RunError

Positions = Literal["renumbered", "kept"]
"""Positions of the tokens after dropping: numbered without gaps, or as they were."""

Arguments = dict[str, Any]
PASSED_ON = frozenset(
    {"inputs_embeds", "attention_mask", "position_ids", "cache", "past_key_values"}
)


@contextmanager
def edited_arguments(decoder: nn.Module, edit: Callable[[Arguments], Arguments]) -> Iterator[None]:
    """Within it, the language model gets its keyword arguments as a function returns them."""
    handle = decoder.register_forward_pre_hook(
        lambda _, args, kwargs: (args, edit(dict(kwargs))), with_kwargs=True
    )
    try:
        yield
    finally:
        handle.remove()


def without_dropped(
    arguments: Mapping[str, Any], kept: Tensor, positions: Positions, window: int | None = None
) -> Arguments:
    """The language model's arguments for the tokens that are kept.

    Positions that are kept have gaps. Without a mask and a cache transformers takes gaps for the
    borders of packed sequences, so that a mask of ones is passed with them.

    Args:
        arguments: over S tokens of B rows.
        kept: int64[B, S'], ascending in each row.
        positions: renumbered is of no meaning where a token has a place in a grid (M-RoPE).
        window: tokens that a layer of sliding attention sees, itself included.

    Raises:
        RunError: positions in a grid cannot be renumbered, or an argument over the tokens is of a
            kind that is not known.
    """
    embeds: Tensor = arguments["inputs_embeds"]
    mask, numbers = arguments.get("attention_mask"), arguments.get("position_ids")
    cut = {
        **arguments,
        "inputs_embeds": _at(embeds, kept),
        "attention_mask": _mask_at(mask, kept),
        "position_ids": _positions_at(numbers, kept, positions, embeds.shape[1]),
    }
    if positions == "renumbered":
        cut["attention_mask"] = _with_windows_closed(cut["attention_mask"], window)
    elif cut["attention_mask"] is None:
        cut["attention_mask"] = torch.ones_like(kept)
    others = {name: value for name, value in arguments.items() if name not in PASSED_ON}
    marks = [v for v in others.values() if _over_tokens(v, embeds) and v.dtype == torch.bool]
    visual = [mark if mark.dim() == 2 else mark.flatten(2)[..., 0] for mark in marks]
    stays = torch.zeros(embeds.shape[:2], dtype=torch.bool, device=kept.device)
    stays.scatter_(1, kept, value=True)
    own = [stays.to(marked.device)[marked] for marked in visual]
    for name, value in others.items():
        cut[name] = _other_at(name, value, kept, embeds, own)
    return cut


def _at(values: Tensor, kept: Tensor) -> Tensor:
    """Values [B, S', …] of [B or 1, S, …] at the positions kept in each row."""
    kept = kept.to(values.device)
    rows = torch.arange(len(kept), device=values.device)[:, None]
    return values.expand(len(kept), *values.shape[1:])[rows, kept]


def _mask_at(mask: Any, kept: Tensor) -> Any:
    """A mask [B, S] or [B or 1, 1 or H, S, S], or several by the kind of layer."""
    if isinstance(mask, dict):
        return {kind: _mask_at(own, kept) for kind, own in mask.items()}
    if not isinstance(mask, Tensor):
        return mask
    if mask.dim() == 2:
        return _at(mask, kept)
    rows = _at(mask.transpose(1, 2), kept)  # [B, S', H, S]
    return _at(rows.transpose(1, 3), kept).permute(0, 2, 3, 1)  # of [B, S, H, S']


def _with_windows_closed(masks: Any, window: int | None) -> Any:
    """Masks whose sliding windows count the tokens that are kept, as renumbered positions do.

    An outer model that makes the masks (Gemma 3) has counted the dropped tokens too. Distances only
    shrink, so that a window takes in what the mask of full attention sees and loses nothing.

    Args:
        masks: by the kind of layer, over the kept tokens; anything else has no windows here.
    """
    sliding = masks.get("sliding_attention") if isinstance(masks, dict) else None
    if window is None or not isinstance(sliding, Tensor) or sliding.dim() != 4:
        return masks
    order = torch.arange(sliding.shape[-1], device=sliding.device)
    distance = order[:, None] - order
    full = masks.get("full_attention")
    if not isinstance(full, Tensor):  # causal, left to the kernel
        shown = sliding.dtype == torch.bool  # True is seen, and 0 is added
        full = torch.where(distance >= 0, torch.full_like(sliding, shown), sliding)
    return {**masks, "sliding_attention": torch.where(distance < window, full, sliding)}


def _positions_at(numbers: Any, kept: Tensor, positions: Positions, length: int) -> Any:
    """Positions [B, S'], or [P, B, S'] of P numbers a token; None: as the model counts them."""
    if numbers is not None and numbers.dim() == 3:
        if positions == "renumbered":
            raise RunError("tokens with positions in a grid (M-RoPE) cannot be renumbered")
        return torch.stack([_at(part, kept) for part in numbers])
    if positions == "renumbered":  # from the same first one on: 0, or 1 in PaliGemma
        return None if numbers is None else numbers[..., : kept.shape[1]]
    if numbers is None:
        numbers = torch.arange(length, device=kept.device)[None]
    return _at(numbers, kept)


def _over_tokens(value: Any, embeds: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape[:2] == embeds.shape[:2]


def _other_at(name: str, value: Any, kept: Tensor, embeds: Tensor, stays: list[Tensor]) -> Any:
    """Any other argument: over all tokens, over those that a mask marks, or over neither.

    Args:
        stays: for each mask among the arguments which of the tokens that it marks are kept.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(_other_at(name, part, kept, embeds, stays) for part in value)
    if isinstance(value, dict):
        return {key: _other_at(name, part, kept, embeds, stays) for key, part in value.items()}
    if not isinstance(value, Tensor):
        return value
    if _over_tokens(value, embeds):
        return _at(value, kept)
    for own in stays:  # such as of features that Qwen3-VL adds in its first layers
        if value.dim() and len(value) == len(own):
            return value[own.to(value.device)]
    length = embeds.shape[1]
    if value.shape == (length,):  # numbers of the places in the cache
        return value[: kept.shape[1]]
    if length in value.shape:
        raise RunError(
            f"the model passes {name} {tuple(value.shape)} over the tokens, which this version "
            "does not know how to cut"
        )
    return value
