"""Files that a checkpoint is not made of: pointers, web pages, adapters, quantised weights."""

import re
from pathlib import Path
from typing import Any

from llava.errors import CheckpointError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)

ADAPTER_FILES = (
    *("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"),
    "non_lora_trainables.bin",
)
"""Results of training with LoRA, of no use without the base model."""

QUANTISED = re.compile(
    r"\.(SCB|(nested_)?absmax|quant_map|quant_state|qweight|qzeros|g_idx|weight_packed"
    r"|(weight|input)_scale(_inv)?)\b"
)
"""Names that bitsandbytes, GPTQ, AWQ and float8 give to what weights are computed back with."""

UNQUANTISED = "take the release that is not quantised, in float16, bfloat16 or float32"


def require_content(path: Path) -> None:
    """Raise `CheckpointError` unless a file is there and is no stand-in, by its beginning."""
    if not path.is_file():
        raise CheckpointError(f"checkpoint incomplete: {path} is missing")
    try:
        with path.open("rb") as file:
            beginning = file.read(512)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if not beginning:
        raise CheckpointError(f"{path} is empty; download the file again")
    if beginning.startswith(LFS_POINTER):
        raise CheckpointError(
            f"{path} is a Git-LFS pointer, which stands for the file; run `git lfs pull` there, or "
            "download the file itself"
        )
    if WEB_PAGE.match(beginning):
        raise CheckpointError(f"{path} is a web page, not the file itself; download it again")


def require_merged(folder: Path) -> None:
    """Raise `CheckpointError` where a folder holds a LoRA adapter, whatever lies beside it."""
    found = [name for name in ADAPTER_FILES if (folder / name).exists()]
    if found:
        raise CheckpointError(
            f"{folder} holds a LoRA adapter ({', '.join(found)}), not a whole model: merge it into "
            "its base model (LLaVA's scripts/merge_lora_weights.py) and give the merged folder; "
            "where its weights are merged already, move these files away"
        )


def require_unquantised(stored: dict[str, Any], path: Path | str) -> None:
    """Raise `CheckpointError` where a configuration says that the weights are quantised."""
    if quantisation := stored.get("quantization_config"):
        known = isinstance(quantisation, dict) and quantisation.get("quant_method")
        method = f" with {known}" if known else ""
        raise CheckpointError(
            f"{path}: the weights are quantised{method} (quantization_config); {UNQUANTISED}"
        )
