"""Whether a query behind a shared prefix gives the logits that it gives by itself."""

from typing import Any

import torch

from sepm.bench.variants import Workload, asked_queries
from sepm.datasets.image_files import read_image

IMAGES = 2


def shared_logits(workload: Workload) -> dict[str, Any]:
    """The largest difference of a logit over all queries, from those of prompts that share nothing.

    Each is computed twice: behind the opening, and packed with the others behind the prefix of some
    images. The whole vocabulary counts; `other_tokens` is how many answers have another most likely
    token.
    """
    model = workload.model
    paths = [workload.image_folder / q.image for q in workload.questions[:IMAGES]]
    tokens = model.encode(torch.stack([model.preprocess(read_image(path)) for path in paths]))
    queries = asked_queries(workload.taxonomy).values()
    prompts = [[model.tokenize(text)] * len(paths) for text in queries]
    opening = model.opening(prompts[0][0])
    prefix = model.prefix(opening, tokens)
    packed = model.prefill_behind(prefix, range(len(paths)), prompts, [()] * len(prompts))
    differences, other_tokens = [], 0
    for alike, behind_image in zip(prompts, packed, strict=True):
        alone = model.prefill(alike, tokens).logits
        behind_opening = model.prefill(alike, tokens, opening=opening)
        for logits in (behind_opening.logits, behind_image.logits):
            differences.append(float((logits - alone).abs().max()))
            other_tokens += int((logits.argmax(-1) != alone.argmax(-1)).sum())
    return {
        "queries": len(prompts),
        "images": len(paths),
        "largest_difference": max(differences),
        "other_tokens": other_tokens,
    }
