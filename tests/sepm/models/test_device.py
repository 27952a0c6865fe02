import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sepm.errors import InputError
from sepm.models import device
from sepm.models.device import (
    PeakMemory,
    Placement,
    choose_device,
    choose_placement,
    dtype_name,
    environment,
    peak_memory,
    prepare_device,
)


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize(("mps", "expected"), [(False, "cpu"), (True, "mps")])
def test_auto_is_mps_on_a_mac_and_the_cpu_where_there_is_nothing_else(
    monkeypatch: pytest.MonkeyPatch, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.usefixtures("two_gpus")
def test_auto_is_cuda_where_there_is_one() -> None:
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 0)
    assert choose_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("name", ["auto", "cuda"])
@pytest.mark.parametrize("number", ["LOCAL_RANK", "SLURM_LOCALID", "RANK"])
def test_each_process_of_a_machine_takes_its_own_gpu(
    name: str, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(number, "1")
    assert choose_device(name) == torch.device("cuda", 1)
    monkeypatch.setenv(number, "2")
    with pytest.raises(InputError, match="device 'cuda:2': 2 CUDA devices are visible"):
        choose_device(name)


def test_a_task_that_sees_one_gpu_takes_it_whatever_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SLURM shows each task its own GPU alone, which is then number 0."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("SLURM_LOCALID", "2")
    assert choose_device("cuda") == torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cudda", "must be auto, cpu, cuda, cuda:N or mps, got 'cudda'; did you mean 'cuda'?"),
        ("cuda:x", "got 'cuda:x'"),
        ("cuda:²", "got 'cuda:²'"),
        ("cuda", "device 'cuda:0': 0 CUDA devices are visible"),
        ("cuda:2", "device 'cuda:2': 0 CUDA devices are visible"),
        ("mps", "device 'mps' is not available here; use --device cpu"),
    ],
)
@pytest.mark.usefixtures("no_accelerator")
def test_a_device_that_is_unknown_or_absent_is_told(name: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        choose_device(name)
    assert said in str(error.value)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("place", "dtype", "vision", "expected"),
    [
        ("cpu", "auto", "auto", ("float32", "float32")),
        ("cuda", "auto", "auto", ("float16", "float16")),
        ("cuda", "bfloat16", "auto", ("bfloat16", "bfloat16")),
        ("cuda", "auto", "float32", ("float16", "float32")),
    ],
)
def test_the_vision_tower_follows_the_language_model_unless_asked_otherwise(
    place: str, dtype: str, vision: str, expected: tuple[str, str]
) -> None:
    chosen = choose_placement(place, dtype, vision)
    assert (dtype_name(chosen.dtype), dtype_name(chosen.vision_dtype)) == expected


@pytest.fixture
def settings_kept() -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, torch.backends.cuda.cudnn_sdp_enabled()
    yield
    matmul.allow_tf32, cudnn.allow_tf32 = before[:2]  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cuda.enable_cudnn_sdp(before[2])


@pytest.mark.usefixtures("settings_kept")
def test_before_a_gpu_computes_it_is_made_the_process_s_and_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    prepare_device(torch.device("cuda", 1))
    assert chosen == [torch.device("cuda", 1)]
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.usefixtures("settings_kept")
@pytest.mark.parametrize("keep", [True, False])
def test_a_cpu_keeps_what_it_frees_unless_told_not_to(
    keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bool] = []
    monkeypatch.setattr(device, "keep_freed_memory", lambda: kept.append(True))
    prepare_device(torch.device("cpu"), keep_memory=keep)
    assert kept == [True] * keep


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> Placement:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91501)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 15_300_000_000)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 16_000_000_000)
    return Placement(torch.device("cuda", 0), torch.float16, torch.float16)


def test_what_a_gpu_ran_with_is_told(
    pretended_gpu: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_printed_by", lambda command, folder=None: "580.159\n580.159")
    told = environment(pretended_gpu)
    assert (told["device"], told["device_name"]) == ("cuda:0", "NVIDIA H100")
    assert (told["cuda"], told["cudnn"], told["driver"]) == ("13.0", 91501, "580.159")


def test_a_driver_that_does_not_answer_holds_up_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nexec sleep 60\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(device, "SECONDS_TO_ANSWER", 0.2)
    started = time.monotonic()
    assert device._nvidia_driver() is None
    assert time.monotonic() - started < 30


def test_a_cpu_has_no_cuda_to_tell() -> None:
    told = environment(Placement(torch.device("cpu"), torch.float32, torch.float32))
    assert (told["cuda"], told["cudnn"], told["driver"]) == (None, None, None)


def test_peak_memory_of_a_gpu_is_allocated_and_reserved(pretended_gpu: Placement) -> None:
    assert peak_memory(pretended_gpu.device) == PeakMemory(15.3, 16.0)


def test_peak_memory_of_a_cpu_is_the_process_s() -> None:
    peak = peak_memory(torch.device("cpu"))
    assert 0.05 < peak.allocated < 100
    assert peak.reserved is None


def test_the_commit_of_a_surrounding_checkout_is_not_taken_for_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "__file__", f"{tmp_path}/site-packages/sepm/models/device.py")
    assert device.git_commit() is None


def test_a_checkout_without_git_has_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_git(*arguments: object, **options: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(device, "subprocess", SimpleNamespace(Popen=no_git))
    assert device.git_commit() is None
