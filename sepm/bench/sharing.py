"""Whether a query behind a shared prefix gives the logits that it gives by itself."""

from typing import Any

import torch

from sepm.bench.variants import Workload, asked_queries
from sepm.images import read_image

IMAGES = 2


def shared_logits(workload: Workload) -> dict[str, Any]:
    """The largest difference of a logit over all queries, packed behind the prefix of some images.

    The whole vocabulary counts; `other_tokens` is how many queries have another most likely token.
    """
    model = workload.model
    paths = [workload.image_folder / q.image for q in workload.questions[:IMAGES]]
    tokens = model.encode(torch.stack([model.preprocess(read_image(path)) for path in paths]))
    queries = asked_queries(workload.taxonomy).values()
    prompts = [[model.tokenize(text)] * len(paths) for text in queries]
    prefix = model.prefix(prompts[0][0], tokens)
    packed = model.prefill_behind(prefix, range(len(paths)), prompts, [()] * len(prompts))
    differences, other_tokens = [], 0
    for alike, behind in zip(prompts, packed, strict=True):
        alone = model.prefill(alike, tokens).logits
        differences.append(float((behind.logits - alone).abs().max()))
        other_tokens += int((behind.logits.argmax(-1) != alone.argmax(-1)).sum())
    return {
        "queries": len(prompts),
        "images": len(paths),
        "largest_difference": max(differences),
        "other_tokens": other_tokens,
    }
