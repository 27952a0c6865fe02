"""From vision features to visual tokens."""

import torch
from torch import nn


def build_projector(projector_type: str, in_features: int, out_features: int) -> nn.Module:
    """The projector of a LLaVA-1.5 checkpoint, with its parameter names.

    Args:
        projector_type: `mm_projector_type` of the configuration.
        in_features: width of the vision features.
        out_features: D, width of the language model.

    Raises:
        ValueError: a projector that LLaVA-1.5 does not have.
    """
    if projector_type == "linear":
        return nn.Linear(in_features, out_features)
    if projector_type == "mlp2x_gelu":
        return nn.Sequential(
            nn.Linear(in_features, out_features),
            nn.GELU(),
            nn.Linear(out_features, out_features),
        )
    raise ValueError(f"mm_projector_type must be mlp2x_gelu or linear, got '{projector_type}'")


def projector_dtype(projector: nn.Module) -> torch.dtype:
    """The dtype that the projector computes in."""
    return next(projector.parameters()).dtype
