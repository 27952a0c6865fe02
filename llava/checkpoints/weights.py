"""Weights: read tensor by tensor into a module, each to its device and dtype; none is left over."""

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from msgspec import convert
from safetensors import safe_open
from torch import Tensor, nn

from llava.checkpoints.files import identity_file, is_index, weight_files, weight_map
from llava.checkpoints.unusable import QUANTISED, UNQUANTISED
from llava.errors import CheckpointError

RenameWeight = Callable[[str], str | None]
"""Name in a module of a stored weight; None: known to be extra."""

ROTARY_BUFFER = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
"""A buffer of the language model that old files hold."""

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of weights; other types are stored of quantised weights alone."""


def stored_tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of everything in one weight file, read one at a time where possible.

    Raises:
        CheckpointError: the file cannot be read.
    """
    with _read_errors(path):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a dict
                    yield name, tensors.get_tensor(name)
        else:
            mmap = zipfile.is_zipfile(path)  # the format before torch 1.6 cannot be mapped
            stored = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
            yield from convert(stored, dict[str, Tensor]).items()


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    """Within it, whatever a library makes of a weight file is the file's fault."""
    try:
        yield
    except Exception as error:
        raise CheckpointError(
            f"{path}: cannot be read as weights ({error}); download the file again"
        ) from error


def has_weights(folder: Path, prefix: str) -> bool:
    """Whether a checkpoint holds weights whose names begin so."""
    first = identity_file(folder)
    names = weight_map(first) if is_index(first) else stored_names(*weight_files(folder))
    return any(name.startswith(prefix) for name in names)


def stored_names(path: Path) -> list[str]:
    """Names of the tensors in one weight file; those of safetensors without reading the tensors.

    Raises:
        CheckpointError: the file cannot be read.
    """
    if path.suffix != ".safetensors":
        return [name for name, _ in stored_tensors(path)]
    with _read_errors(path), safe_open(path, framework="pt") as tensors:
        return list(tensors.keys())


def load_weights(
    module: nn.Module,
    folder: Path,
    rename: RenameWeight,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Fill a module built on the meta device, tensor by tensor, straight to its device and dtype.

    Args:
        module: parameters on the meta device; every one of them is filled or an error is raised.
        folder: checkpoint folder.
        rename: name in the module of each stored name.
        device: where the parameters go.
        dtype: what they are stored as.

    Raises:
        CheckpointError: a weight is missing, unexpected, wrongly shaped, of whole numbers, given
            twice, or not where the index has it; all are named.
    """
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    first = identity_file(folder)
    promised = weight_map(first) if is_index(first) else {}
    filled: dict[str, str] = {}
    wrong: list[str] = []
    for path in weight_files(folder):
        names = set[str]()
        for stored_name, tensor in stored_tensors(path):
            names.add(stored_name)
            if (name := rename(stored_name)) is None:
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
                _set_parameter(module, name, tensor.to(device, dtype, copy=True))
            filled[name] = path.name
        wrong.extend(
            f"weight {name} is not in {shard}, where {first.name} has it"
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


def _set_parameter(module: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
