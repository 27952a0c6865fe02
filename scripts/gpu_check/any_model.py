"""Cost of SEPM on a random Qwen2.5-VL of 7B in bfloat16: `any_model.py FILE [--tiny]`.

Random weights in transformers' own class on the default device, and 640x480 images. Answers end
after two tokens, as a trained model's do: the letter, and the end.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, Qwen2_5_VLConfig

from sepm.datasets.question_file import Question
from sepm.datasets.tasks import load_taxonomy
from sepm.inference import answering
from sepm.inference.batch_size import Batcher
from sepm.inference.image_loader import LoadedImage
from sepm.inference.runner import run_window
from sepm.method.config import DEFAULT_PRESET, PRESETS
from sepm.models.auto.checkpoint import AutoCheckpoint
from sepm.models.device import choose_device, peak_memory, prepare_device
from sepm.models.opening import open_model
from sepm.models.options import ModelOptions
from sepm.registry import MethodRun
from tests.tiny_checkpoints.families import write_family

TEXT_7B = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 128000,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 1000000.0,
        "mrope_section": [16, 24, 24],
    },
}
VISION_7B = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 3584,
    "patch_size": 14,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
PIXELS = {"patch_size": 14, "min_pixels": 3136, "max_pixels": 12845056}
"""Of Qwen2.5-VL's own preprocessor."""
IMAGES, WIDTH, HEIGHT = 32, 640, 480
BATCH_SIZES = (1, 8)


def large(found: AutoCheckpoint) -> AutoCheckpoint:
    """The tiny checkpoint with the 7B's configuration in its place."""
    config = found.config.to_dict()
    config["text_config"] |= TEXT_7B
    config["vision_config"] |= VISION_7B
    path = found.folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | PIXELS))
    layer = TEXT_7B["num_hidden_layers"] - 1
    for gone in ("layer_types", "head_dim"):
        config["text_config"].pop(gone, None)
    config = Qwen2_5_VLConfig(**config)
    return replace(found, config=config, attention_layer=layer)


def measure(tiny: bool) -> dict[str, Any]:
    """Images a second and the memory of SEPM, by batch size."""
    device = choose_device("auto")
    prepare_device(device)
    answering.MAX_NEW_TOKENS = 2
    images, dtype = (4, torch.float32) if tiny else (IMAGES, torch.bfloat16)
    with tempfile.TemporaryDirectory() as folder:
        write_family("qwen2_5_vl", Path(folder) / "model")
        options = ModelOptions(model_path=f"{folder}/model", device=str(device))
        found: Any = open_model(options).checkpoint
        found = found if tiny else large(found)
        with device:
            model = AutoModelForImageTextToText.from_config(
                found.config, dtype=dtype, attn_implementation="sdpa"
            )
        opened = found.assembled(model)
    torch.manual_seed(0)
    pictures = [
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
        for i in range(images)
    ]
    inputs = [opened.preprocess(picture) for picture in pictures]
    result = {"device": str(device), "parameters": sum(p.numel() for p in model.parameters())}
    return result | {f"batch-{size}": timed(opened, inputs, size) for size in BATCH_SIZES}


def timed(model: Any, inputs: list[Any], size: int) -> dict[str, Any]:
    """SEPM over all images, once to warm up and once timed."""
    run, taxonomy = MethodRun("sepm", PRESETS[DEFAULT_PRESET]), load_taxonomy("emoset")
    batcher = Batcher(size, print)

    window = [Question(str(i), str(i), taxonomy.names[0]) for i in range(len(inputs))]
    loaded = [LoadedImage(content, "") for content in inputs]

    def once() -> int:
        return len(list(run_window(model, window, loaded, [run], taxonomy, batcher)))

    once()
    started = time.perf_counter()
    count = once()
    seconds = time.perf_counter() - started
    return {
        "images_per_second": count / seconds,
        "visual_tokens": model.encode(inputs[:1])[0].num_tokens,
        "peak_memory_gb": peak_memory(model.device).allocated,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    args.file.write_text(json.dumps(measure(args.tiny), indent=1))
