"""From vision features to visual tokens."""

from torch import Tensor, nn
from torch.nn import functional


def build_projector(projector_type: str, in_features: int, out_features: int) -> nn.Module:
    """The projector of a LLaVA-1.5 checkpoint, with its parameter names.

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


class Downsample(nn.Module):
    """Merges 2x2 blocks of patches into one token each, columns of blocks one after the other."""

    def forward(self, features: Tensor) -> Tensor:
        """Blocks float[B, ceil(n/2)², 4 × width] of patches float[B, n², width], row by row.

        An odd grid gets one row of zeros below and one column at the right. A block holds its
        patches' channels in the order upper left, upper right, lower left, lower right. Token 1 is
        the block *below* token 0, as in the code that VILA-1.5 was trained with; VILA's code since
        December 2024 orders them row by row, under the same projector type.
        """
        side = round(features.shape[1] ** 0.5)
        grid = features.unflatten(1, (side, side))  # [B, row, column, width]
        grid = functional.pad(grid, (0, 0, 0, side % 2, 0, side % 2))
        blocks = grid.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # [B, R, 2, C, 2, width]
        return blocks.permute(0, 3, 1, 2, 4, 5).flatten(3).flatten(1, 2)


class DownsampleProjector(nn.Module):
    """VILA-1.5's `mlp_downsample`: 2x2 blocks of patches through a two-layer perceptron."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Downsample(),
            nn.LayerNorm(4 * in_features, eps=1e-5),
            nn.Linear(4 * in_features, out_features),
            nn.GELU(),
            nn.Linear(out_features, out_features),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Visual tokens float[B, ceil(n/2)², D] of patches float[B, n², in_features]."""
        return self.layers(features)
