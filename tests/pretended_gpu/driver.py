"""Answers of PyTorch's CUDA module while the pretended GPU is there."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor

from tests.pretended_gpu.log import Log
from tests.pretended_gpu.tensors import LOG, OnGpu

MEMORY = 80 * 10**9
PROPERTIES = SimpleNamespace(
    name="pretended GPU", major=9, minor=0, total_memory=MEMORY, multi_processor_count=132
)


@contextmanager
def pretended_gpu() -> Iterator[Log]:
    """One GPU within the block, and what it sees; process-wide settings are as before after it.

    `torch.cuda.set_device` stays the real one up to the call into the driver, so that what it
    refuses (a device without an index) is refused.
    """
    LOG.clear()
    with ExitStack() as stack:
        stack.enter_context(_settings_kept())
        for owner, names in _REPLACED:
            stack.enter_context(patch.multiple(owner, create=True, **names))
        stack.enter_context(OnGpu())
        yield LOG


@contextmanager
def _settings_kept() -> Iterator[None]:
    cuda, cudnn = torch.backends.cuda, cast("Any", torch.backends.cudnn)
    before = cuda.cudnn_sdp_enabled(), cuda.matmul.allow_tf32, cudnn.allow_tf32
    try:
        yield
    finally:
        cuda.enable_cudnn_sdp(before[0])
        cuda.matmul.allow_tf32, cudnn.allow_tf32 = before[1:]


def _set_device(index: int) -> None:
    if index != 0:
        raise RuntimeError(f"CUDA error: invalid device ordinal {index}")


def _index_of(device: Any) -> int:
    """Number of a device as `torch.cuda` takes it; only 0 is there."""
    index = torch.device(device).index if isinstance(device, (str, torch.device)) else device
    _set_device(index or 0)
    return 0


def _properties(device: Any = None) -> Any:
    _index_of(device)
    return PROPERTIES


def _reset_peak(device: Any = None) -> None:
    _index_of(device)
    LOG.peak = LOG.allocated


class Event:
    """A point in the stream; the pretended device is never behind."""

    def __init__(self, **_: Any) -> None:
        self.at = 0.0

    def record(self, stream: Any = None) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, other: "Event") -> float:
        return 1000 * (other.at - self.at)


class Generator(torch.Generator):
    """A generator of any device, in truth the CPU's."""

    def __new__(cls, device: Any = "cpu") -> "Generator":
        return super().__new__(cls, "cpu")  # type: ignore[call-arg]


def _pinned(tensor: Tensor, device: Any = None) -> Tensor:
    return tensor


_REPLACED: tuple[tuple[Any, dict[str, Any]], ...] = (
    (torch, {"Generator": Generator}),
    (Tensor, {"pin_memory": _pinned}),
    (torch._C, {"_cuda_setDevice": _set_device}),
    (
        torch.accelerator,
        {
            "is_available": lambda: True,
            "current_accelerator": lambda check_available=False: torch.device("cuda"),
            "current_device_index": lambda: 0,
            "set_device_index": _set_device,
        },
    ),
    (
        torch.cuda,
        {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "current_device": lambda: 0,
            "get_device_name": lambda device=None: _properties(device).name,
            "get_device_properties": _properties,
            "get_device_capability": lambda device=None: (PROPERTIES.major, PROPERTIES.minor),
            "synchronize": lambda device=None: LOG.wait("synchronize"),
            "empty_cache": lambda: None,
            "memory_allocated": lambda device=None: LOG.allocated,
            "max_memory_allocated": lambda device=None: LOG.peak,
            "memory_reserved": lambda device=None: LOG.allocated,
            "max_memory_reserved": lambda device=None: LOG.peak,
            "reset_peak_memory_stats": _reset_peak,
            "mem_get_info": lambda device=None: (MEMORY - LOG.allocated, MEMORY),
            "Event": Event,
        },
    ),
)
