"""Dropping that keeps the most diverse visual tokens (DivPrune, Alvar et al., CVPR 2025).

Of all sets S of k visual tokens the one is sought whose closest two are farthest apart,
argmax_S min_{i, j in S, i != j} d(i, j) with d(i, j) = 1 - cos(v_i, v_j) and v the tokens as the
language model reads them. As in the paper S grows greedily: first the token whose nearest other is
farthest, then again and again the one whose nearest in S is farthest. No text is read.
"""

from typing import TYPE_CHECKING

from sepm.errors import RunError
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Reply, Sample
from sepm.method.dropping import num_dropped

if TYPE_CHECKING:
    from torch import Tensor

    from sepm.models.protocol import DescribedImage

LEAST_NORM = 1e-12


def by_diversity(sample: Sample, coarse: Reply, config: MethodConfig) -> tuple[int, ...]:
    """Indices of the floor(β × N) visual tokens that the diverse set leaves out, ascending."""
    image: DescribedImage = sample.image
    features = image.features
    count = len(features) - num_dropped(config.beta, len(features))
    kept = most_diverse(cosine_distances(features), count)
    return tuple(index for index in range(len(features)) if index not in kept)


def cosine_distances(features: "Tensor") -> "Tensor":
    """Distances float32[N, N], in [0, 2], of float[N, D], on the CPU; 1 to a token of zeros.

    Raises:
        RunError: a feature is no number.
    """
    values = features.cpu().float()
    if not values.isfinite().all():
        raise RunError("a visual token's features are not numbers; try --vision-dtype float32")
    normed = values / values.norm(dim=1, keepdim=True).clamp_min(LEAST_NORM)
    return 1 - normed @ normed.T


def most_diverse(distances: "Tensor", count: int) -> set[int]:
    """The greedy set of k = `count` tokens; among equals the lower index is taken.

    Args:
        distances: float32[N, N], symmetric.
        count: at least 1.
    """
    others = distances.clone().fill_diagonal_(float("inf"))
    chosen = int(others.amin(dim=1).argmax()) if len(distances) > 1 else 0
    kept, nearest = {chosen}, distances[chosen].clone()
    while len(kept) < count:
        nearest[list(kept)] = -1  # below every distance
        chosen = int(nearest.argmax())
        kept.add(chosen)
        nearest = nearest.minimum(distances[chosen])
    return kept
