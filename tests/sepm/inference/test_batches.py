"""What batches must not change: their size, running out of memory, methods run side by side."""

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import pytest
import torch

from llava import Llava
from llava.model import VisualTokens
from sepm.inference.batch_size import Batcher, is_out_of_memory

from ..same_rows import assert_same_rows

BOTH_FAMILIES = True
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB."


@pytest.mark.parametrize("size", [1, 3, 8])
def test_every_batch_size_gives_the_same_rows(
    size: int, finished: dict, scenes: Any, evaluate: Any
) -> None:
    evaluate("--batch-size", size, "--save-scores", scenes=scenes)
    assert evaluate.run().accuracy()["timing"]["batch_size"] == size
    assert_same_rows(evaluate.run().records(), finished["sepm"].records())


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
    method: str, limit_batches: Any, finished: dict, scenes: Any, evaluate: Any
) -> None:
    computed = limit_batches(method, 2)
    said = evaluate("--batch-size", 8, "--save-scores", scenes=scenes).err
    assert said.index("out of memory: going on with batches of 4") < said.index(
        "out of memory: going on with batches of 2"
    )
    assert max(computed) == 2
    assert evaluate.run().accuracy()["timing"]["batch_size"] == 2
    assert_same_rows(evaluate.run().records(), finished["sepm"].records())


def test_too_little_memory_for_one_image_is_status_1(limit_batches: Any, evaluate: Any) -> None:
    limit_batches("prefill", 0)
    said = evaluate("--limit", 3, status=1).err
    assert f"memory does not suffice for a batch of 1: {OUT_OF_MEMORY}" in said
    assert "Try a smaller --batch-size, --dtype float16" in said


def test_too_little_memory_for_the_images_of_a_window_is_told_with_what_would_help(
    scenes: Any, evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, held = Llava.encode, WeakSet[Any]()

    def on_a_small_device(model: Llava, inputs: Any) -> Any:
        if len(held) + len(inputs) > 10:
            raise torch.OutOfMemoryError(OUT_OF_MEMORY)
        images = encode(model, inputs)
        held.update(images)
        return images

    monkeypatch.setattr(Llava, "encode", on_a_small_device)
    monkeypatch.setattr(VisualTokens, "__hash__", object.__hash__)
    said = evaluate("--batch-size", 2, scenes=scenes, status=1).err
    assert "Try a smaller --batch-size" in said
    evaluate("--batch-size", 1, scenes=scenes)
    assert len(evaluate.run().records()) == 24


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


# ---- methods side by side


# At β = 0 nothing is dropped, so both methods ask the same in both stages; else in the coarse one.
@pytest.mark.parametrize(("beta", "asks"), [(0, 2), (0.5, 3)])
def test_methods_of_one_run_share_what_they_ask_alike(
    beta: float, asks: int, limit_batches: Any, evaluate: Any
) -> None:
    prefilled = limit_batches("prefill", 100)
    evaluate("--drop", "random", "--beta", beta, method="cci+fp sepm")
    assert sum(prefilled) == asks * 4


def test_methods_of_one_run_give_the_rows_of_separate_runs(
    finished: dict, scenes: Any, evaluate: Any
) -> None:
    for name, together in finished.items():
        evaluate("--batch-size", 2, "--save-scores", scenes=scenes, method=name)
        assert_same_rows(evaluate.run(name).records(), together.records())


def test_each_image_is_encoded_once_for_all_stages_and_methods(
    limit_batches: Any, evaluate: Any
) -> None:
    encoded = limit_batches("encode", 100)
    evaluate(method="zero-shot sepm")
    assert sum(encoded) == 4
