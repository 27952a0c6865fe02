"""The pretended GPU itself: it refuses, counts and chooses as a real one does."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tests.pretended_gpu import Log, pretended_gpu
from tests.pretended_gpu.kernels import chosen_kernel


@pytest.fixture
def log() -> Iterator[Log]:
    with pretended_gpu() as log:
        yield log


def test_its_tensors_say_where_they_are_and_compute(log: Log) -> None:
    made = torch.arange(3, device="cuda:0") * 2
    assert made.device == torch.device("cuda", 0)
    assert made.tolist() == [0, 2, 4]


def test_a_view_shares_memory_and_a_copy_to_the_host_does_not(log: Log) -> None:
    made = torch.zeros(4, device="cuda:0")
    host = made.cpu()
    made[:2].add_(1)
    assert made.tolist() == [1, 1, 0, 0]
    assert host.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("meet", [torch.add, torch.matmul, lambda a, b: torch.cat([a, b])])
def test_tensors_of_two_devices_do_not_meet(log: Log, meet) -> None:
    with pytest.raises(RuntimeError, match=r"found cuda:0 and cpu .*\(3,\)"):
        meet(torch.ones(3, device="cuda:0"), torch.ones(3))


def test_a_cpu_tensor_is_not_indexed_from_the_gpu(log: Log) -> None:
    with pytest.raises(RuntimeError, match="found cuda:0 and cpu"):
        _ = torch.ones(3)[torch.tensor([0], device="cuda:0")]


def test_a_device_without_an_index_is_refused_as_the_real_one_refuses_it(log: Log) -> None:
    with pytest.raises(ValueError, match="specified index"):
        torch.cuda.set_device(torch.device("cuda"))
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.cuda.set_device(1)
    torch.cuda.set_device(torch.device("cuda", 0))


@pytest.mark.parametrize(
    ("act", "waits"),
    [
        (lambda x: x * 2, []),
        (lambda x: x.to("cuda:0", torch.float16), []),
        (lambda x: x[1:, None], []),
        (lambda x: x[torch.tensor([0, 2], device=x.device)], ["to the device"]),
        (lambda x: x[[0, 2]], ["index"]),
        (lambda x: x[torch.tensor([0, 2])], ["index"]),
        (lambda x: x[x > 1], ["index"]),
        (lambda x: x.sum().item(), ["item"]),
        (lambda x: float(x[0]), ["__float__"]),
        (lambda x: x.cpu(), ["cpu"]),
        (lambda x: x.to("cpu"), ["to the host"]),
        (lambda x: torch.ones(2).to(x.device), ["to the device"]),
        (lambda x: torch.ones(2).to(x.device, non_blocking=True), []),
        (lambda x: x.copy_(torch.ones(3)), ["copy"]),
        (lambda x: x.nonzero(), ["nonzero"]),
    ],
)
def test_what_the_host_waits_for_is_counted(log: Log, act, waits: list[str]) -> None:
    made = torch.arange(3.0, device="cuda:0")
    log.clear()
    act(made)
    assert [reason for reason, _ in log.waits] == waits


def test_memory_is_that_of_the_storages_alive(log: Log) -> None:
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    made = torch.zeros(100, device="cuda:0")
    view = made[50:]
    del made
    assert torch.cuda.memory_allocated() == before + 400
    del view
    assert torch.cuda.memory_allocated() == before
    assert torch.cuda.max_memory_allocated() == before + 400


def heads(length: int = 8, width: int = 64, dtype: torch.dtype = torch.float16) -> Tensor:
    return torch.zeros(1, 4, length, width, dtype=dtype)


MASK = torch.ones(8, 8, dtype=torch.bool)


@pytest.mark.parametrize(
    ("query", "key", "options", "kernel"),
    [
        (heads(), heads(), {"causal": True}, "flash"),
        (heads(1), heads(), {}, "flash"),
        (heads(2), heads(), {"causal": True}, "memory-efficient"),
        (heads(), heads(), {"mask": MASK}, "memory-efficient"),
        (heads(), heads()[:, :2], {"grouped": True}, "flash"),
        (heads(), heads()[:, :2], {"grouped": True, "mask": MASK}, "math"),
        (heads(), heads()[:, :2], {}, "math"),
        (heads(dtype=torch.float32), heads(dtype=torch.float32), {}, "memory-efficient"),
        (heads(width=6, dtype=torch.float32), heads(width=6, dtype=torch.float32), {}, "math"),
        (heads(64).transpose(2, 3), heads(64).transpose(2, 3), {}, "math"),
        (heads(width=264), heads(width=264), {}, "memory-efficient"),
    ],
)
def test_the_kernel_is_chosen_by_cudas_rules(
    query: Tensor, key: Tensor, options: dict, kernel: str
) -> None:
    given = {"mask": None, "causal": False, "grouped": False, **options}
    with pretended_gpu():
        torch.backends.cuda.enable_cudnn_sdp(False)
        assert chosen_kernel(query, key, key, **given) == kernel


def test_hopper_prefers_cudnn_unless_it_is_off() -> None:
    with pretended_gpu():
        torch.backends.cuda.enable_cudnn_sdp(True)
        assert chosen_kernel(heads(), heads(), heads(), MASK, causal=False, grouped=False) == (
            "cudnn"
        )
