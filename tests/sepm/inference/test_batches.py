"""What batches must not change: their size, running out of memory, methods run side by side."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from llava import Llava
from sepm.cli import main
from sepm.errors import RunError
from sepm.inference.batch_size import Batcher, is_out_of_memory

BOTH_FAMILIES = True
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB."


def assert_same_rows(rows: dict[str, Any], others: dict[str, Any], within: float) -> None:
    """The same letters and dropped tokens, and probabilities that differ by no more than that."""
    assert rows.keys() == others.keys()
    for key, row in rows.items():
        other = others[key]
        assert row["fine"]["text"] == other["fine"]["text"], key
        assert row["dropped"] == other["dropped"], key
        assert row["fine"]["probs"] == pytest.approx(other["fine"]["probs"], abs=within), key
        assert row.get("coarse", {}).keys() == other.get("coarse", {}).keys(), key
        if "coarse" in row:
            assert row["coarse"]["text"] == other["coarse"]["text"], key
            for name in ("p_a", "p_b"):
                assert row["coarse"][name] == pytest.approx(other["coarse"][name], abs=within), key


@pytest.mark.parametrize("size", [1, 3, 8])
def test_every_batch_size_gives_the_same_rows(
    size: int, finished: dict, scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    assert main(command(scenes, tmp_path, "--batch-size", size)) == 0
    assert run_of(tmp_path).accuracy()["timing"]["batch_size"] == size
    assert_same_rows(run_of(tmp_path).records(), finished["sepm"].records(), within=1e-5)


# ---- out of memory


@pytest.fixture
def limit_batches(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[int]]:
    """A function that lets a method of the model run out of memory above a batch size.

    It gives the list of the batch sizes that the method then computes.
    """

    def limit(method: str, most: int) -> list[int]:
        whole, computed = getattr(Llava, method), []

        def limited(model: Llava, batch: Any, *arguments: Any, **options: Any) -> Any:
            if len(batch) > most:
                raise torch.OutOfMemoryError(OUT_OF_MEMORY)
            computed.append(len(batch))
            return whole(model, batch, *arguments, **options)

        monkeypatch.setattr(Llava, method, limited)
        return computed

    return limit


@pytest.mark.parametrize("method", ["encode", "prefill"])
def test_out_of_memory_halves_the_batch_and_goes_on(
    method: str,
    limit_batches: Any,
    finished: dict,
    scenes: Any,
    command: Any,
    run_of: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    computed = limit_batches(method, 2)
    assert main(command(scenes, tmp_path, "--batch-size", 8)) == 0
    said = capsys.readouterr().err
    assert said.index("out of memory: going on with batches of 4") < said.index(
        "out of memory: going on with batches of 2"
    )
    assert max(computed) == 2
    assert run_of(tmp_path).accuracy()["timing"]["batch_size"] == 2
    assert_same_rows(run_of(tmp_path).records(), finished["sepm"].records(), within=1e-5)


def test_too_little_memory_for_one_image_is_status_1(
    limit_batches: Any,
    scenes: Any,
    command: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    limit_batches("prefill", 0)
    assert main(command(scenes, tmp_path, "--limit", 3)) == 1
    said = capsys.readouterr().err
    assert f"memory does not suffice for a batch of 1: {OUT_OF_MEMORY}" in said
    assert "Try --dtype float16" in said


def test_another_error_is_not_taken_for_lack_of_memory() -> None:
    def fail(batch: list[int]) -> list[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(Batcher(2, print).map(fail, [1, 2, 3]))


def test_a_batch_that_failed_is_done_again_in_halves() -> None:
    batches, told = [], []

    def double(batch: list[int]) -> list[int]:
        batches.append(list(batch))
        if len(batch) > 2:
            raise RuntimeError("MPS backend out of memory")
        return [2 * x for x in batch]

    batcher = Batcher(5, told.append)
    assert list(batcher.map(double, [1, 2, 3, 4, 5])) == [2, 4, 6, 8, 10]
    assert batches == [[1, 2, 3, 4, 5], [1, 2], [3, 4], [5]]
    assert told == ["out of memory: going on with batches of 2"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(OUT_OF_MEMORY),
        RuntimeError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        RuntimeError("Invalid buffer size: 20.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        MemoryError("Unable to allocate 9. GiB for an array"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_every_wording_of_memory_that_ran_out_halves_the_batch(error: Exception) -> None:
    def fail_once(batch: list[int]) -> list[int]:
        if len(batch) > 1:
            raise error
        return batch

    assert is_out_of_memory(error)
    assert list(Batcher(2, lambda note: None).map(fail_once, [1, 2])) == [1, 2]


def test_another_error_is_not_taken_for_memory() -> None:
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_single_item_that_does_not_fit_says_what_to_try() -> None:
    def fail(batch: list[int]) -> list[int]:
        raise torch.OutOfMemoryError(OUT_OF_MEMORY)

    with pytest.raises(RunError, match=r"batch of 1.*--dtype float16"):
        list(Batcher(4, lambda note: None).map(fail, [1, 2]))


# ---- methods side by side


def test_methods_of_one_run_share_what_they_ask_alike(
    limit_batches: Any, make_scenes: Any, command: Any, tmp_path: Path
) -> None:
    prefilled = limit_batches("prefill", 100)
    # At β = 0 nothing is dropped, so both methods ask the same in both stages.
    options = ("--drop", "random", "--beta", 0)
    assert main(command(make_scenes(6), tmp_path, *options, method="cci+fp sepm")) == 0
    assert sum(prefilled) == 2 * 6


def test_only_what_differs_is_asked_apart(
    limit_batches: Any, make_scenes: Any, command: Any, tmp_path: Path
) -> None:
    prefilled = limit_batches("prefill", 100)
    options = ("--drop", "random", "--beta", 0.5)
    assert main(command(make_scenes(6), tmp_path, *options, method="cci+fp sepm")) == 0
    assert sum(prefilled) == 3 * 6  # one coarse stage, two fine stages


def test_methods_of_one_run_give_the_rows_of_separate_runs(
    finished: dict, scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    for name, together in finished.items():
        assert main(command(scenes, tmp_path, "--batch-size", 2, method=name)) == 0
        assert_same_rows(run_of(tmp_path, name).records(), together.records(), within=1e-5)


def test_each_image_is_encoded_once_for_all_stages_and_methods(
    limit_batches: Any, make_scenes: Any, command: Any, tmp_path: Path
) -> None:
    encoded = limit_batches("encode", 100)
    assert main(command(make_scenes(6), tmp_path, method="zero-shot sepm")) == 0
    assert sum(encoded) == 6
