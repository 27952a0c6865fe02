from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sepm.errors import InputError
from sepm.evaluation import device
from sepm.evaluation.device import choose_device, choose_placement, dtype_name


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
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    assert choose_device("auto") == torch.device("cpu")


@pytest.mark.usefixtures("two_gpus")
def test_auto_is_cuda_where_there_is_one() -> None:
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_of_a_machine_takes_its_own_gpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device(name) == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="device 'cuda:2': 2 CUDA devices are visible"):
        choose_device(name)


@pytest.mark.usefixtures("no_accelerator")
def test_auto_is_mps_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("mps")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cudda", "must be auto, cpu, cuda, cuda:N or mps, got 'cudda'; did you mean 'cuda'?"),
        ("cuda:x", "got 'cuda:x'"),
        ("cuda", "device 'cuda': 0 CUDA devices are visible"),
        ("mps", "device 'mps' is not available here; use --device cpu"),
    ],
)
@pytest.mark.usefixtures("no_accelerator")
def test_a_device_that_is_unknown_or_absent_is_told(name: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        choose_device(name)
    assert said in str(error.value)


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_number_beyond_the_last_is_told() -> None:
    with pytest.raises(InputError, match="device 'cuda:2': 2 CUDA devices are visible"):
        choose_device("cuda:2")


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


def test_the_commit_of_a_surrounding_checkout_is_not_taken_for_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "__file__", f"{tmp_path}/site-packages/sepm/evaluation/device.py")
    assert device._git_commit() is None


def test_a_checkout_without_git_has_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_git(*arguments: object, **options: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(
        device, "subprocess", SimpleNamespace(run=no_git, CalledProcessError=OSError)
    )
    assert device._git_commit() is None
