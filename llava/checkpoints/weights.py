"""Weights: read tensor by tensor into a model, each to its device and dtype; none is left over."""

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from msgspec import convert
from safetensors import safe_open
from torch import Tensor, nn

from llava.checkpoints.files import identity_file, weight_files, weight_map
from llava.checkpoints.unusable import QUANTISED, UNQUANTISED
from llava.errors import CheckpointError, checkpoint_errors
from llava.model import Llava

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of weights; other types are stored of quantised weights alone."""

ROTARY_BUFFER = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
"""A buffer of the language model that old files hold."""


@dataclass(frozen=True)
class StoredWeights:
    """Weights of some parts of a model, in one folder."""

    parts: tuple[str, ...]
    """Submodules of the model."""
    folder: Path
    rename: Callable[[str], str | None]
    """Name in the model of each stored weight; None: known to be extra."""


def language_name(stored: str) -> str | None:
    """Name in the model of a stored weight of LLaMA; None: known to be extra."""
    return None if ROTARY_BUFFER.fullmatch(stored) else f"language_model.{stored}"


def tower_name(extras: re.Pattern[str], stored: str) -> str | None:
    """Name in the model of a stored weight of the vision tower; None: one of the extras."""
    name = stored.removeprefix("vision_model.")
    return None if extras.match(name) else f"vision_tower.vision_model.{name}"


def stored_tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of everything in one weight file, read one at a time where possible.

    Raises:
        CheckpointError: the file cannot be read.
    """
    with checkpoint_errors(f"{path}: cannot be read as weights, download the file again"):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a dict
                    yield name, tensors.get_tensor(name)
        else:
            mmap = zipfile.is_zipfile(path)  # the format before torch 1.6 cannot be mapped
            stored = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
            yield from convert(stored, dict[str, Tensor]).items()


def has_weights(folder: Path, prefix: str) -> bool:
    """Whether a checkpoint holds weights whose names begin so; tensors are mapped, not read."""
    names: Iterable[str] | None = weight_map(folder)
    if names is None:
        (path,) = weight_files(folder)
        names = (name for name, _ in stored_tensors(path))
    return any(name.startswith(prefix) for name in names)


def load_weights(
    model: Llava, stored: StoredWeights, device: torch.device, dtype: torch.dtype
) -> None:
    """Fill parts of a model built on the meta device, straight to their device and dtype.

    Every parameter of the parts is filled, or an error is raised.

    Raises:
        CheckpointError: a weight is missing, unexpected, wrongly shaped, of whole numbers, given
            twice, or not where the index has it; all are named.
    """
    folder, prefixes = stored.folder, tuple(f"{part}." for part in stored.parts)
    shapes = {n: p.shape for n, p in model.named_parameters() if n.startswith(prefixes)}
    promised = weight_map(folder) or {}
    filled: dict[str, str] = {}
    wrong: list[str] = []
    for path in weight_files(folder):
        names = set[str]()
        for stored_name, tensor in stored_tensors(path):
            names.add(stored_name)
            name = stored.rename(stored_name)
            if name is None or not model.vision_tower.is_built(name):
                continue
            _require_numbers(tensor, stored_name, path)
            if name in filled:
                wrong.append(f"weight {stored_name} in {path.name} stands in {filled[name]} too")
            elif name not in shapes:
                wrong.append(f"unexpected weight {stored_name} in {path.name}")
            elif tensor.shape != shapes[name]:
                wrong.append(
                    f"weight {stored_name} has shape {tuple(tensor.shape)}, "
                    f"expected {tuple(shapes[name])}"
                )
            else:
                # A copy, since what is read is mapped from a file that others may write to.
                set_parameter(model, name, tensor.to(device, dtype, copy=True))
            filled[name] = path.name
        wrong.extend(
            f"weight {name} is not in {shard}, where {identity_file(folder).name} has it"
            for name, shard in promised.items()
            if shard == path.name and name not in names
        )
    wrong.extend(f"missing weight {name}" for name in shapes if name not in filled)
    if wrong:
        listed = "; ".join(wrong[:10]) + (f"; and {len(wrong) - 10} more" if wrong[10:] else "")
        raise CheckpointError(f"weights in {folder} do not fit its configuration: {listed}")


def _require_numbers(tensor: Tensor, name: str, path: Path) -> None:
    """Raise `CheckpointError` unless a tensor is of numbers that the model can compute with."""
    if QUANTISED.search(name) or tensor.dtype not in DTYPES:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise CheckpointError(
            f"{path}: {name} is {kind}, of quantised weights that cannot be computed with as they "
            f"are; {UNQUANTISED}"
        )


def set_parameter(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a tensor in the place of a parameter, by its name in the module."""
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
