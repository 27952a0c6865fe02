"""Checkpoints on disk or on the hub: finding the folder, reading tensors into a module."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import safe_open
from torch import Tensor, nn

from llava.errors import CheckpointError

INDEX_FILES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLE_FILES = ("model.safetensors", "pytorch_model.bin")
HUB_PATTERNS = [
    *("*.json", "tokenizer.model", "model*.safetensors", "pytorch_model*.bin"),
    *(f"{part}/model*.safetensors" for part in ("llm", "vision_tower", "mm_projector")),
]
"""What is downloaded; a star stands for folders too, so that all JSON files are."""


def locate(name: str, what: str, inside: Path | None = None) -> Path:
    """The local folder of a checkpoint, downloaded from the hub where it is not a folder.

    Args:
        name: a folder, or a hub id ("owner/name").
        what: the part looked for, for messages ("model", "vision tower").
        inside: a folder in which a relative name is looked up first.

    Raises:
        CheckpointError: neither a folder nor a reachable hub id.
    """
    candidates = [Path(name).expanduser()]
    if inside is not None and not Path(name).is_absolute():
        candidates.insert(0, inside / name)
    for folder in candidates:
        if folder.is_dir():
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
        CheckpointError: the file is missing or is no JSON object.
    """
    path = folder / file_name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"checkpoint incomplete: {path} is missing") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object")
    return content


def identity_file(folder: Path) -> Path:
    """The file whose hash tells a checkpoint: its index, or its single weight file.

    Raises:
        CheckpointError: there is neither.
    """
    names = (*INDEX_FILES, *SINGLE_FILES)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        f"checkpoint incomplete: no weights in {folder}, expected one of {', '.join(names)}"
    )


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a checkpoint's weights: the shards of its index, or the single file.

    Raises:
        CheckpointError: there is none, or the index names a file that is not there.
    """
    first = identity_file(folder)
    if first.name not in INDEX_FILES:
        return [first]
    names = sorted(set(_weight_map(first).values()))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"checkpoint incomplete: {first.name} in {folder} names {', '.join(missing)}, "
            "not there; download the folder again"
        )
    return [folder / name for name in names]


def _weight_map(index_file: Path) -> dict[str, str]:
    """The shard that holds each weight."""
    content = read_json(index_file.parent, index_file.name)
    if not isinstance(content.get("weight_map"), dict):
        raise CheckpointError(f"{index_file}: no weight_map; download the folder again")
    return content["weight_map"]


def deciding_files(folder: Path) -> list[Path]:
    """Files that decide what a checkpoint computes; its index stands for its shards."""
    files = {*folder.glob("*.json"), *folder.glob("tokenizer.model")}
    if not any((folder / name).is_file() for name in INDEX_FILES):
        files |= {folder / name for name in SINGLE_FILES if (folder / name).is_file()}
    return sorted(files)


def stored_tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of everything in one weight file, read one at a time where possible.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a dict
                    yield name, tensors.get_tensor(name)
        else:
            mmap = zipfile.is_zipfile(path)  # the format before torch 1.6 cannot be mapped
            yield from torch.load(path, map_location="cpu", weights_only=True, mmap=mmap).items()
    except Exception as error:
        raise CheckpointError(
            f"{path}: cannot be read as weights ({error}); download the file again"
        ) from error


def has_weights(folder: Path, prefix: str) -> bool:
    """Whether a checkpoint holds weights whose names begin so."""
    first = identity_file(folder)
    if first.name in INDEX_FILES:
        return any(name.startswith(prefix) for name in _weight_map(first))
    return any(name.startswith(prefix) for name, _ in stored_tensors(first))


def load_weights(
    module: nn.Module,
    folder: Path,
    target_of: Callable[[str], str | None],
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Fill a module built on the meta device, tensor by tensor, straight to its device and dtype.

    Args:
        module: parameters on the meta device; every one of them is filled or an error is raised.
        folder: checkpoint folder.
        target_of: the module's name for a stored name, or None for a tensor known to be extra.
        device: where the parameters go.
        dtype: what they are stored as.

    Raises:
        CheckpointError: a weight is missing, unexpected or wrongly shaped; all are named.
    """
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    filled: set[str] = set()
    wrong: list[str] = []
    for path in weight_files(folder):
        for stored_name, tensor in stored_tensors(path):
            name = target_of(stored_name)
            if name is None:
                continue
            if name not in shapes:
                wrong.append(f"unexpected weight {stored_name} in {path.name}")
            elif tensor.shape != shapes[name]:
                wrong.append(
                    f"weight {stored_name} has shape {tuple(tensor.shape)}, "
                    f"expected {tuple(shapes[name])}"
                )
            else:
                # A copy, since what is read is mapped from a file that others may write to.
                _set_parameter(module, name, tensor.to(device, dtype, copy=True))
            filled.add(name)
    wrong.extend(f"missing weight {name}" for name in shapes if name not in filled)
    if wrong:
        listed = "; ".join(wrong[:10]) + (f"; and {len(wrong) - 10} more" if wrong[10:] else "")
        raise CheckpointError(f"weights in {folder} do not fit its configuration: {listed}")


def _set_parameter(module: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
