"""SparseVLM's decisions: which text tokens rate, how many visual tokens stay, and which.

Pure functions of tensors; `sepm.baselines.sparsevlm_prefill` applies them between decoder layers.
Where SparseVLM's paper and code differ, the code is followed.
"""

import torch
from torch import Tensor

from sepm.baselines.sparsevlm_settings import BUDGETS, RANK_RULES, SparseVLMSettings
from sepm.baselines.token_merging import merge_similar


def text_raters(visual_tokens: Tensor, text_tokens: Tensor) -> Tensor:
    """Indices of the text tokens that rate visual tokens: those most alike the image, ascending.

    Each visual token shares out a weight of 1 among the text tokens by their dot products with it;
    raters are those whose mean share is above the mean.

    Args:
        visual_tokens: float[N, D], the language model's input.
        text_tokens: float[S, D], the embeddings of all that follows the image.

    Returns:
        int64[M]; where all shares are equal, all S, as the paper's "at least the mean" has it.
    """
    alike = visual_tokens.float() @ text_tokens.float().T  # [N, S]; no 1/√D, unlike attention
    share = alike.softmax(dim=1).mean(dim=0)
    raters = (share > share.mean()).nonzero().flatten()
    return raters if len(raters) else torch.arange(len(share), device=share.device)


def num_kept(settings: SparseVLMSettings, layer: int, rater_attention: Tensor) -> int | None:
    """Number of visual tokens that stay after a layer, without merged ones; None: no reduction.

    Version 1.5 has a budget for each layer. In version 1 the rank of the attention decides how many
    stay (in SparseVLM's paper: how many go). At least one token goes.

    Args:
        settings: version and budget.
        layer: one of the settings' layers.
        rater_attention: float32[M, N], from raters to visual tokens, mean over heads.
    """
    num_tokens = rater_attention.shape[1]
    if settings.version == "1.5":
        budget = BUDGETS[settings.retain][settings.layers.index(layer)]
        return min(budget, num_tokens - 1)
    rank = int(torch.linalg.matrix_rank(rater_attention.cpu()))
    if rank == num_tokens:
        return None
    scale, bias = RANK_RULES[settings.retain]
    return min(int(rank * scale + bias), num_tokens - 1)


def num_recycled(num_dropped: int) -> int:
    """Number of dropped tokens, at least one, that live on in merged ones: 30% and one."""
    return int(0.3 * num_dropped) + 1


def num_merged(recycled: int) -> int:
    """Into how many tokens so many recycled ones are merged: a tenth and one."""
    return recycled // 10 + 1


def kept_and_recycled(scores: Tensor, keep: int) -> tuple[Tensor, Tensor]:
    """Indices of the tokens that stay, ascending, and of those to be merged, best first.

    Args:
        scores: float[N]; among equal scores the lower index goes before.
        keep: how many stay, fewer than N.
    """
    ranked = scores.sort(descending=True, stable=True).indices
    recycled = num_recycled(len(scores) - keep)
    return ranked[:keep].sort().values, ranked[keep : keep + recycled]


def reduced(visual_tokens: Tensor, rater_attention: Tensor, keep: int) -> Tensor:
    """The kept visual tokens in their order, then the merged ones: float[N', D].

    Args:
        visual_tokens: float[N, D], a layer's output.
        rater_attention: float32[M, N]; a token's score is its mean over the M raters.
        keep: how many stay, fewer than N.
    """
    kept, recycled = kept_and_recycled(rater_attention.mean(dim=0), keep)
    merged = merge_similar(visual_tokens[recycled], num_merged(len(recycled)))
    return torch.cat([visual_tokens[kept], merged])
