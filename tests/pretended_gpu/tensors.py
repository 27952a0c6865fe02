"""Tensors that say they are on a GPU, and what happens to calls of PyTorch that meet them."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from tests.pretended_gpu.kernels import chosen_kernel
from tests.pretended_gpu.log import Attention, Log

GPU = torch.device("cuda", 0)
LOG = Log()

READS = {"item", "tolist", "cpu", "numpy", "nonzero", "equal", "unique", "masked_select"}
READS |= {"__bool__", "__int__", "__float__", "__index__", "__contains__", "__array__"}
"""Functions for whose result the host waits."""

INDEXING = (Tensor.__getitem__, Tensor.__setitem__)
API: Any = torch
"""Much of what is looked at here has no types."""
NAMES_OF_DEVICES = (API.device, API._C._nn._parse_to)
"""Functions that only read what a device is called."""


def _set_data(tensor: "GpuTensor", value: "GpuTensor") -> None:
    tensor.host = value.host


OWN_ANSWERS: dict[Any, Callable[..., Any]] = {
    API.Tensor.device.__get__: lambda _: GPU,
    API.Tensor.is_cuda.__get__: lambda _: True,
    API.Tensor.is_cpu.__get__: lambda _: False,
    API.Tensor.data.__set__: _set_data,
    API._has_compatible_shallow_copy_type: lambda old, new: type(old) is type(new),
}
"""Of functions that are about the tensors themselves and not about their values."""


class GpuTensor(Tensor):
    """A tensor of the pretended GPU, over the CPU tensor `host` that holds its values."""

    host: Tensor

    @staticmethod
    def __new__(cls, host: Tensor) -> "GpuTensor":
        made = Tensor._make_wrapper_subclass(
            cls, host.shape, strides=host.stride(), storage_offset=host.storage_offset(),
            dtype=host.dtype, device=GPU,
        )  # fmt: skip
        made.host = host
        storage = host.untyped_storage()
        LOG.take(storage.data_ptr(), storage.nbytes())
        weakref.finalize(made, LOG.release, storage.data_ptr())
        return made

    def __init__(self, host: Tensor) -> None:
        super().__init__()

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        return call(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        raise AssertionError(f"{func} reached the device without passing the pretended driver")


class OnGpu(TorchFunctionMode):
    """While it is entered, whatever names the GPU makes tensors of it."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        return call(func, args, kwargs or {})


def call(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A function of PyTorch, computed on the CPU where it concerns the GPU.

    Raises:
        RuntimeError: tensors of two devices meet.
    """
    if func in NAMES_OF_DEVICES:
        return func(*args, **kwargs)
    leaves = tree_leaves((tuple(args), kwargs))
    ours = [leaf for leaf in leaves if isinstance(leaf, GpuTensor)]
    place = _destination(func, args, leaves)
    if not ours and place != GPU.type:
        return func(*args, **kwargs)
    if func in OWN_ANSWERS:
        return OWN_ANSWERS[func](*args)
    _refuse_mixture(func, args, leaves, ours)
    _note_wait(func, args, kwargs, ours, place)
    if func is functional.scaled_dot_product_attention:
        _note_attention(*args, **kwargs)
    result = func(*tree_map(_on_host, tuple(args)), **tree_map(_on_host, kwargs))
    if place == "cpu":
        return tree_map(_own_copy(leaves), result)
    known = {id(tensor.host): tensor for tensor in ours}
    copied = _own_copy(leaves) if place == GPU.type else lambda x: x

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        return known[id(x)] if id(x) in known else GpuTensor(copied(x))

    return tree_map(wrapped, result)


def _destination(func: Any, args: Sequence[Any], leaves: Sequence[Any]) -> str | None:
    """ "cuda" or "cpu" where the call says where its result goes."""
    if getattr(func, "__name__", "") in ("cpu", "numpy"):
        return "cpu"
    if func is Tensor.to and any(isinstance(like, Tensor) for like in args[1:]):
        return "cuda" if isinstance(args[1], GpuTensor) else "cpu"
    for leaf in leaves:
        if isinstance(leaf, torch.device):
            return leaf.type
        if isinstance(leaf, str) and leaf.partition(":")[0] in ("cpu", "cuda"):
            return torch.device(leaf).type
    return None


def _on_host(leaf: Any) -> Any:
    """What the CPU is given instead."""
    if isinstance(leaf, GpuTensor):
        return leaf.host
    if isinstance(leaf, torch.device) and leaf.type == "cuda":
        return torch.device("cpu")
    if isinstance(leaf, str) and leaf.partition(":")[0] == "cuda":
        return "cpu"
    return leaf


def _own_copy(leaves: Sequence[Any]) -> Callable[[Any], Any]:
    """A function that copies a tensor whose memory is an argument's: devices share none."""
    storages = {
        _on_host(leaf).untyped_storage().data_ptr() for leaf in leaves if isinstance(leaf, Tensor)
    }

    def copied(x: Any) -> Any:
        shared = isinstance(x, Tensor) and x.untyped_storage().data_ptr() in storages
        return x.clone() if shared else x

    return copied


def _refuse_mixture(
    func: Any, args: Sequence[Any], leaves: Sequence[Any], ours: Sequence[Any]
) -> None:
    """Raise `RuntimeError` where CPU tensors of one dimension or more meet the GPU's."""
    if not ours or func in (Tensor.copy_, Tensor.to):
        return
    if func in INDEXING and isinstance(args[0], GpuTensor):
        return  # an index or a value may come from the CPU, and is waited for
    strangers = [x for x in leaves if isinstance(x, Tensor) and not isinstance(x, GpuTensor)]
    shapes = [tuple(x.shape) for x in strangers if x.dim()]
    if shapes:
        raise RuntimeError(
            f"{getattr(func, '__name__', func)}: expected all tensors to be on the same device, "
            f"but found cuda:0 and cpu (shapes {shapes} on the cpu)"
        )


def _note_wait(
    func: Any, args: Sequence[Any], kwargs: dict[str, Any], ours: Sequence[Any], place: str | None
) -> None:
    """Write down that the host waits for the device, if it does."""
    name = getattr(func, "__name__", str(func))
    if name in READS and ours:
        LOG.wait(name)
    elif func in INDEXING:
        if any(_waits_for(part) for part in tree_leaves(args[1])) or isinstance(args[1], list):
            LOG.wait("index")
        if func is Tensor.__setitem__ and _crosses(args[0], args[2]):
            LOG.wait("value")
    elif func is Tensor.copy_:
        if _crosses(args[0], args[1]) and not kwargs.get("non_blocking"):
            LOG.wait("copy")
    elif func in (Tensor.to, torch.tensor, torch.as_tensor, torch.asarray) and place is not None:
        moves = (place == GPU.type) == (not ours)
        if moves and not kwargs.get("non_blocking"):
            LOG.wait("to the device" if place == GPU.type else "to the host")


def _waits_for(index: Any) -> bool:
    """Whether an index has to be counted out, or copied to the device first."""
    if isinstance(index, GpuTensor):
        return index.host.dtype == torch.bool
    return isinstance(index, Tensor) and index.dim() > 0


def _crosses(target: Any, value: Any) -> bool:
    if not isinstance(value, Tensor) or not value.dim():
        return False
    return isinstance(target, GpuTensor) != isinstance(value, GpuTensor)


def _note_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> None:
    q, k, v, mask = (_on_host(x) for x in (query, key, value, attn_mask))
    kernel = chosen_kernel(q, k, v, mask, causal=is_causal, grouped=enable_gqa)
    LOG.attention.append(Attention(kernel, mask is not None))
