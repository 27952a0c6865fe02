"""Every command on one GPU with the default device: a pretended one, and a real one where there is.

A claim about one of them holds for both, but what a profiler would tell is asked of the pretended
one alone.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llava import Llava, load_checkpoint
from llava.prompt import Prompt
from sepm.cli import main
from sepm.models.device import prepare_device
from tests.pretended_gpu import IN_EVERY_PROCESS, Log, pretended_gpu

REAL = pytest.param(
    nullcontext,
    id="real",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    ],
)
DEMO = Path(__file__).parents[2] / "data" / "demo"
METHODS = "zero-shot zero-shot-cot sparsevlm fp cci cci+fp sepm"
LAYERS = ("--sparsevlm-layers", 0, 1, 2)


@pytest.fixture(params=[pytest.param(pretended_gpu, id="pretended"), REAL])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One GPU, in this process and in those that it starts."""
    if request.param is pretended_gpu:
        monkeypatch.setenv("PYTHONPATH", str(IN_EVERY_PROCESS), prepend=":")
    with request.param():
        torch.cuda.reset_peak_memory_stats()
        yield
        assert torch.cuda.max_memory_allocated() > 0, "something was computed on it"


def on_demo(command: str, output: Path, *options: object, limit: int = 8) -> list[str]:
    """A command line over the demo's first scenes, in batches of 2."""
    return [
        *(*command.split(), "--model-path", str(DEMO / "llava-demo"), "--limit", str(limit)),
        *("--question-file", str(DEMO / "stage_1.jsonl"), "--image-folder", str(DEMO / "image")),
        *("--output" if command.startswith("audit") else "--output-dir", str(output)),
        *("--batch-size", "2", *map(str, options)),
    ]


def rows_of(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each method's folder."""
    return {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(output.rglob("predictions.jsonl"))
    }


def accuracy(output: Path, method: str = "sepm") -> dict[str, Any]:
    (path,) = output.glob(f"emoset/*/{method}/accuracy.json")
    return json.loads(path.read_text())


def numbers_apart(row: dict[str, Any]) -> tuple[dict[str, Any], list[float]]:
    """A row without its probabilities, and they."""
    rest, numbers = json.loads(json.dumps(row)), []
    for stage in ("coarse", "fine"):
        for name in ("p_a", "p_b", "confidence"):
            numbers.append((rest.get(stage) or {}).pop(name, 0.0))
        numbers += (rest.get(stage) or {}).pop("probs", {}).values()
    return rest, numbers


@pytest.fixture(scope="module")
def on_the_cpu(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The CPU's rows of all methods."""
    output = tmp_path_factory.mktemp("cpu")
    command = on_demo(f"eval --method {METHODS}", output, *LAYERS, "--device", "cpu")
    assert main(command) == 0
    return rows_of(output)


# ---- the command line


@pytest.mark.usefixtures("gpu")
def test_all_methods_in_float32_give_the_cpus_rows(
    on_the_cpu: dict[str, Any], tmp_path: Path
) -> None:
    command = on_demo(f"eval --method {METHODS}", tmp_path, *LAYERS, "--dtype", "float32")
    assert main(command) == 0
    assert accuracy(tmp_path)["environment"]["device"] == "cuda:0"
    rows = rows_of(tmp_path)
    assert len(rows) == 7
    assert rows.keys() == on_the_cpu.keys()
    for method, expected in on_the_cpu.items():
        for ours, theirs in zip(rows[method], expected, strict=True):
            (rest, numbers), (their_rest, their_numbers) = map(numbers_apart, (ours, theirs))
            assert rest == their_rest
            assert numbers == pytest.approx(their_numbers, abs=1e-4)


@pytest.mark.usefixtures("gpu")
def test_float16_is_the_default_and_every_method_runs_in_it(tmp_path: Path) -> None:
    assert main(on_demo(f"eval --method {METHODS}", tmp_path, *LAYERS, limit=4)) == 0
    assert accuracy(tmp_path)["environment"]["dtype"] == "float16"
    assert [len(rows) for rows in rows_of(tmp_path).values()] == [4] * 7


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    "command",
    [
        "table 1 2 3 --tasks emoset --sparsevlm-layers 0 1 2",
        "sensitivity --alphas 0.01 0.1 --betas 0 0.2",
        "audit --method zero-shot sepm --dtypes float32 float16",
    ],
    ids=lambda command: command.split()[0],
)
def test_a_command_runs_on_the_default_device(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(on_demo(command, tmp_path / "output", limit=2)) == 0
    assert capsys.readouterr().out


@pytest.mark.usefixtures("gpu")
def test_predict_runs_on_the_default_device(capsys: pytest.CaptureFixture[str]) -> None:
    image = DEMO / "image" / "fear" / "fear_00000.png"
    assert main(["predict", "--model-path", str(DEMO / "llava-demo"), str(image)]) == 0
    assert "emotion     fear" in capsys.readouterr().out


@pytest.mark.usefixtures("gpu")
def test_a_benchmark_runs_on_the_default_device_and_its_reference_beside_it(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    command = "bench --shape demo --images 2 --repeats 1 --batch-sizes 2 --only reference batched"
    assert main([*command.split(), "--dtype", "float32", "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    assert result["environment"]["device"] == "cuda:0"
    (pair,) = result["sameness"]["pairs"]
    assert (pair["answers"], pair["letters"], pair["dropped"]) == (2, 0, 0)
    assert result["variants"].keys() == {"reference", "batch-2"}


# ---- what a GPU would suffer silently


@pytest.fixture(params=["llava", "vila"])
def model_of_depth(
    request: pytest.FixtureRequest, make_llava: Any, make_vila: Any, tmp_path: Path
) -> Callable[[int, torch.dtype], Llava]:
    """A function that loads a tiny model of so many layers onto the GPU."""

    def load(layers: int, dtype: torch.dtype) -> Llava:
        make = {"llava": make_llava, "vila": make_vila}[request.param]
        folder = make(tmp_path / f"{request.param}-{layers}", layers=layers, vision_hidden=32)
        device = torch.device("cuda", 0)
        prepare_device(device)
        return load_checkpoint(str(folder), device=device, dtype=dtype)

    return load


@pytest.fixture
def log() -> Iterator[Log]:
    with pretended_gpu() as log:
        yield log


def prefilled(model: Llava, log: Log, batch: int = 2) -> tuple[Any, int]:
    """A prefill of T positions, the log holding nothing before it; and T."""
    prompt: Prompt = model.tokenize("Please focus on emotion.\nWhich emotion is it?")
    images = blank_images(model, batch)
    rows = [prompt.image_position + 4, prompt.image_position + 5]
    prefix = model.text_prefix(prompt)
    log.clear()
    prefill = model.prefill([prompt] * batch, images, [()] * batch, rows, prefix)
    return prefill, prompt.num_text_tokens + images[0].num_tokens


def blank_images(model: Llava, count: int) -> list[Any]:
    side = model.vision_tower.image_size
    return model.encode([np.zeros((3, side, side), np.float32)] * count)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_no_attention_falls_back_to_the_math_kernel_or_waits_for_plans_of_cudnn(
    model_of_depth: Any, dtype: torch.dtype, log: Log
) -> None:
    model = model_of_depth(3, dtype)
    prompt = model.tokenize("Which emotion is it?")
    images, text_prefix = blank_images(model, 2), model.text_prefix(prompt)
    prefill = model.prefill([prompt] * 2, images, [()] * 2, text_prefix=text_prefix)
    model.decode(prefill, [0, 1], 3)
    prefix = model.image_prefix(text_prefix, images)
    packed = model.prefill_with_prefix(prefix, [0, 1], [[prompt] * 2] * 3, [()] * 3)
    model.decode(packed[1], [1], 3)
    model.prefill_layerwise(prompt, images[0], lambda layer, state: None)
    kernels = {call.kernel for call in log.attention if not call.masked}
    assert kernels == {"flash" if dtype is torch.float16 else "memory-efficient"}
    assert {call.kernel for call in log.attention if call.masked} == {"memory-efficient"}


def test_a_prefill_waits_for_nothing_between_its_layers(model_of_depth: Any, log: Log) -> None:
    waits = {}
    for layers in (3, 6):
        prefilled(model_of_depth(layers, torch.float16), log)
        assert len(log.attention) == layers
        between = [reason for reason, calls in log.waits if 0 < calls < layers - 1]
        assert between == []
        waits[layers] = len(log.waits)
    assert waits[3] == waits[6]
    assert waits[3] <= MOST_WAITS


MOST_WAITS = 9
"""Prompt and rows sent to the device, and the few positions chosen in the final layer."""


def test_decoding_holds_the_cache_once(model_of_depth: Any, log: Log) -> None:
    layers, batch, steps = 12, 4, 6
    model = model_of_depth(layers, torch.float32)
    before = log.allocated
    prefill, length = prefilled(model, log, batch)
    log.clear()
    model.decode(prefill, range(batch), steps)
    config = model.language_model.config
    width = config.hidden_size // config.num_attention_heads * config.num_key_value_heads
    cache = 4 * 2 * layers * batch * (length + steps) * width  # bytes of float32 keys and values
    assert cache / 3 < log.peak - before < 1.3 * cache
