"""Checkpoints on disk or on the hub: finding the folder, its JSON files and its weight files."""

import os
from pathlib import Path
from typing import Any

import msgspec
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from llava.checkpoints.unusable import require_content, require_merged
from llava.checkpoints.values import checked
from llava.errors import CheckpointError

WEIGHT_FILES = (
    *("model.safetensors", "model.safetensors.index.json"),
    *("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
"""Weight files in transformers' order: the first that is there is read, and no other."""

OTHER_FORMATS = (".gguf", ".ggml", ".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".npz", ".h5")

HUB_PATTERNS = [
    *(
        "*.json",
        "*.jinja",
        "tokenizer.model",
        "merges.txt",
        "model*.safetensors",
        "pytorch_model*.bin",
    ),
    *(f"{part}/model*.safetensors" for part in ("llm", "vision_tower", "mm_projector")),
]
"""Files to download; a star stands for folders too, so that all JSON files are."""


def locate(name: str, what: str, inside: Path | None = None) -> Path:
    """The local folder of a checkpoint, downloaded from the hub where it is not a folder.

    Args:
        name: a folder, or a hub id ("owner/name").
        what: the part looked for, for messages ("model", "vision tower").
        inside: a folder in which a relative name is looked up first.

    Raises:
        CheckpointError: neither a folder nor a reachable hub id.
    """
    candidates = [Path(os.path.expanduser(name))]
    if inside is not None and not Path(name).is_absolute():
        candidates.insert(0, inside / name)
    for folder in candidates:
        if os.path.isdir(folder):  # unlike Path.is_dir, of any name
            return folder
    looked = f"{what} '{name}': no folder at {' or '.join(map(str, candidates))}"
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        remedy = (
            "give a folder that is there, or a hub id such as liuhaotian/llava-v1.5-7b"
            if inside is None
            else f"put it there, or correct mm_vision_tower in {inside / 'config.json'}"
        )
        raise CheckpointError(f"{looked}, and it is no hub id (owner/name); {remedy}")
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_PATTERNS))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        target = Path("checkpoints", name.split("/")[-1]) if inside is None else inside / name
        remedy = "then give that folder" if inside is None else "where it is found"
        raise CheckpointError(
            f"{looked}, and the hub could not be read ({type(error).__name__}). With a network "
            f"run: hf download {name} --local-dir {target}, {remedy}"
        ) from error


def read_json(folder: Path, file_name: str) -> dict[str, Any]:
    """A JSON object from a checkpoint folder.

    Raises:
        CheckpointError: the file is missing, stands for another, or is no JSON object.
    """
    path = folder / file_name
    require_content(path)
    try:
        content = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON ({error}); download the file again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object")
    return content


def identity_file(folder: Path) -> Path:
    """The file whose hash tells a checkpoint: its single weight file, or its index.

    Raises:
        CheckpointError: there is neither, or a LoRA adapter.
    """
    require_merged(folder)
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(path.name for path in folder.glob("*") if path.suffix in OTHER_FORMATS)
    instead = f"; what is there ({', '.join(others)}) is of another format" if others else ""
    raise CheckpointError(
        f"checkpoint incomplete: no weights in {folder}, expected one of "
        f"{', '.join(WEIGHT_FILES)}{instead}"
    )


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a checkpoint's weights: the single file, or the shards of its index.

    Raises:
        CheckpointError: there is none, the index names a file that is not there, or a file is not
            what its name says.
    """
    first, shards = identity_file(folder), weight_map(folder)
    names = [first.name] if shards is None else sorted(set(shards.values()))
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise CheckpointError(
            f"checkpoint incomplete: {first.name} in {folder} names {', '.join(missing)}, "
            "not there; download the folder again"
        )
    for name in names:
        require_content(folder / name)
    return [folder / name for name in names]


class Index(msgspec.Struct):
    """An index of shards."""

    weight_map: dict[str, str]


def weight_map(folder: Path) -> dict[str, str] | None:
    """The shard that holds each weight, by the folder's index; None: a single file holds all.

    Raises:
        CheckpointError: the file is no index, or names what is no file of its folder.
    """
    path = identity_file(folder)
    if path.suffix != ".json":
        return None
    shards = checked(Index, read_json(folder, path.name), path).weight_map
    for name in set(shards.values()):
        if name in ("", "..") or Path(name).name != name:
            raise CheckpointError(f"{path}: weight_map names '{name}', no file of its folder")
    return shards


def deciding_files(folder: Path) -> list[Path]:
    """Files that decide what a checkpoint's folder computes: settings, tokenizer, any weights.

    Raises:
        CheckpointError: an index names a file that is not there.
    """
    has_weights = any((folder / name).is_file() for name in WEIGHT_FILES)
    weights = weight_files(folder) if has_weights else []
    return sorted({*folder.glob("*.json"), *folder.glob("tokenizer.model"), *weights})
