"""Merging tokens that are alike: DPC-kNN clusters (Du et al. 2016), each replaced by its mean."""

import torch
from torch import Tensor
from torch.nn import functional


def merge_similar(tokens: Tensor, num_clusters: int) -> Tensor:
    """Means of the clusters of some tokens, float[C, D], the most central cluster first.

    Args:
        tokens: float[n, D].
        num_clusters: C, at most n.
    """
    wide = tokens.float()
    # Exact differences: by way of a matrix product a token's distance to itself is not zero.
    distances = torch.cdist(wide, wide, compute_mode="donot_use_mm_for_euclid_dist")
    distances = distances / wide.shape[1] ** 0.5
    centres = cluster_centres(distances, num_clusters)
    members = functional.one_hot(nearest_centre(distances, centres), num_clusters).to(wide)
    return (members.T @ wide / members.sum(dim=0)[:, None]).to(tokens)


def cluster_centres(distances: Tensor, num_clusters: int) -> Tensor:
    """Tokens that are dense and far from any denser one, int64[C], best first.

    A token's density is exp(-mean d²) over its C nearest, itself among them; its separation is the
    distance to the nearest denser token, and for the densest the largest distance there is. The
    centres have the largest products of both; among equal ones the lower index goes before.

    The authors' code adds uniform noise below 1e-6 to the density, to break ties. It is left out
    here, so that an image always gives the same tokens. In half precision, in which they ran it, it
    is below the resolution, so there too the two ends of a shortest distance stay equally dense.

    Args:
        distances: float32[n, n].
        num_clusters: C, which is also the number of neighbours.
    """
    neighbours = distances.topk(num_clusters, largest=False).values
    density = (-neighbours.square().mean(dim=1)).exp()
    is_denser = density[None, :] > density[:, None]  # [i, j]: j is denser than i
    separation = distances.where(is_denser, distances.max()).amin(dim=1)
    ranked = (density * separation).sort(descending=True, stable=True).indices
    return ranked[:num_clusters]


def nearest_centre(distances: Tensor, centres: Tensor) -> Tensor:
    """For each token the place in `centres` of the nearest one, int64[n]; a centre's is its own.

    By Euclidean distance, as in SparseVLM's code; its paper says cosine similarity.
    """
    clusters = distances[:, centres].argmin(dim=1)
    clusters[centres] = torch.arange(len(centres), device=centres.device)
    return clusters
