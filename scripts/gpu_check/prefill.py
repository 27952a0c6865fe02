"""What one prefill launches and waits for, and what a decoded token costs: `prefill.py SHAPE FILE`.

Random weights in float16 on `cuda:0`, a batch of 8.
"""

import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from sepm.models.device import prepare_device
from sepm.models.random_llava import random_model
from sepm.models.shapes import SHAPES

BATCH, TOKENS = 8, 32
ATTENTION = ("flash", "fmha", "cudnn", "sdpa", "attention")
"""One of these is part of the name of every kernel of attention but the math fallback's."""


def measure(shape: str) -> dict[str, Any]:
    """Launches, kernels of attention by name, waits, and milliseconds a decoded token."""
    device = torch.device("cuda", 0)
    prepare_device(device)
    model = random_model(SHAPES[shape], device, torch.float16, seed=0)
    model.end_ids = frozenset()  # so that each answer has as many tokens as it may
    side = model.vision_tower.image_size
    images = model.encode([np.zeros((3, side, side), np.float32)] * BATCH)
    prompts = [model.tokenize("Please focus on emotion.\nWhich emotion is it?")] * BATCH
    rows = [prompts[0].image_position + 4, prompts[0].image_position + 5]
    text_prefix = model.text_prefix(prompts[0])

    def prefill() -> Any:
        return model.prefill(prompts, images, [()] * BATCH, rows, text_prefix)

    prefilled = prefill()
    model.decode(prefilled, range(BATCH), 2)  # warms it up
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        prefill()
        torch.cuda.synchronize()
    events = found.events() or []
    kernels = Counter(event.name for event in events if event.device_type.name == "CUDA")
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prefill()
    torch.cuda.set_sync_debug_mode("default")

    def seconds(tokens_each: int) -> float:
        torch.cuda.synchronize()
        started = time.perf_counter()
        model.decode(prefilled, range(BATCH), tokens_each)
        torch.cuda.synchronize()
        return time.perf_counter() - started

    per_token = (seconds(TOKENS) - seconds(2)) / (TOKENS - 2)
    return {
        "layers": model.num_layers,
        "launches": kernels.total(),
        "attention_kernels": {
            k: n for k, n in kernels.items() if any(a in k.lower() for a in ATTENTION)
        },
        "waits": sum("synchroniz" in str(warning.message) for warning in caught),
        "ms_per_token": 1000 * per_token,
    }


if __name__ == "__main__":
    found = measure(sys.argv[1])
    print(json.dumps(found, indent=2))
    Path(sys.argv[2]).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
