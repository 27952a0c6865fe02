"""Steps of `scripts/gpu_check.sh`: what each must show, and whether it did.

A step that fails ends no other. Each has its own time, and all together `TOTAL_SECONDS`.
"""

import argparse
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEMO = ROOT / "data" / "demo"
ON_DEMO = (
    *("--model-path", DEMO / "llava-demo", "--sparsevlm-layers", "0", "1", "2"),
    *("--question-file", DEMO / "stage_1.jsonl", "--image-folder", DEMO / "image"),
)
"""Options of a `sepm` command over the demo's scenes."""
TOTAL_SECONDS = 530
SCENES = 128
METHODS = ("zero-shot", "zero-shot-cot", "sparsevlm", "fp", "cci", "cci+fp", "sepm")
SETTINGS = ("--image-pass once --drop divprune --rotations 2", "--drop cls")
"""Settings that compute something of their own."""
LAUNCH = (
    *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"),
    *("--num_processes", "2", "--main_process_port", "0"),
    *("--mixed_precision", "no", "--dynamo_backend", "no"),
)
LARGEST_DP = 1e-4
"""By which a probability in float32 may differ from the CPU's."""
GB_AT_BATCH_8, GB_OF_A_SMALL_GPU, GB_TOO_SMALL = 22, 23, 19
SHARE_OF_CEILING = 0.55
RATIO = 2.2
"""Images/s against an ordinary script's on an H100; calculated: about 1.3 on a 3090 or 4090."""
RATIO_BEFORE_HOPPER = 1.2
MOST_WAITS = 12
"""Waits of the host for the device in a prefill: fewer than the model has layers."""

Json = dict[str, Any]
Words = Sequence[str]


class NotHeldError(Exception):
    """A step did not show what it must; the message says what it showed."""


class NotRunError(Exception):
    """A step cannot be run here, which is no fault; the message says why."""


def require(held: bool, shown: str) -> None:
    """Raise `NotHeldError` with what was shown unless it held."""
    if not held:
        raise NotHeldError(shown)


@dataclass(frozen=True)
class Check:
    """One run of the steps."""

    folder: Path
    """Folder of logs and JSON."""
    scenes: int
    ends: float
    """Time by `time.monotonic()` at which the last step must be over."""

    def run(self, log: str, *words: object, status: int = 0, seconds: float = 90) -> str:
        """Text that a Python command line printed; it and its processes end with its time.

        Raises:
            NotHeldError: its exit status is another than that, or its time was over.
        """
        path = self.folder / f"{log}.log"
        limit = min(seconds, self.ends - time.monotonic())
        require(limit > 0, f"the {TOTAL_SECONDS} s of all steps are over")
        with path.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *map(str, words)], cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            found = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise NotHeldError(f"not done after {limit:.0f} s; see {path}") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        printed = path.read_text(encoding="utf-8", errors="replace")
        last = (printed.strip().splitlines() or [""])[-1]
        require(found == status, f"exit status {found}: {last[:300]}; see {path}")
        return printed

    def evaluate(
        self,
        name: str,
        methods: Words,
        device: str,
        *options: str,
        dtype: str = "float32",
        launcher: Words = (),
    ) -> Path:
        """Folder of the runs of some methods over the demo's scenes; rows that are there stay.

        All scenes are two windows, so that two processes have one each. `options` are further ones
        of `sepm eval`.
        """
        output = self.folder / name
        self.run(
            *(name, *launcher, "-m", "sepm", "eval", *ON_DEMO, "--limit", self.scenes),
            *("--method", *methods, "--output-dir", output, "--device", device),
            *("--batch-size", max(1, self.scenes // 16), "--dtype", dtype, *options),
        )  # fmt: skip
        return output / "emoset" / "llava-demo"

    def bench(
        self, name: str, shape: str, options: str, limit_gb: float | None = None, **how: Any
    ) -> tuple[str, Json]:
        """Text that a benchmark of a model's shape printed, and its JSON where it has written one.

        It computes in float16, within `limit_gb` of the GPU's memory. `how` is `run`'s.
        """
        output = self.folder / f"{name}.json"
        module = ("-m", "sepm") if limit_gb is None else (HERE / "limited.py", limit_gb)
        printed = self.run(
            *(name, *module, "bench", "--shape", shape, "--dtype", "float16", "--repeats", "1"),
            *("--output", output, "--only", *options.split()),
            **how,
        )
        return printed, json.loads(output.read_text()) if output.is_file() else {}


# ---- the steps


def eval_default(check: Check) -> str:
    folder = check.evaluate("eval", ["sepm"], "auto", dtype="auto")
    accuracy = json.loads((folder / "sepm" / "accuracy.json").read_text(encoding="utf-8"))
    place, rows = accuracy["environment"], accuracy["n"]
    shown = f"{rows} rows on {place['device']} ({place['device_name']}) in {place['dtype']}"
    require(rows == check.scenes and place["device"].startswith("cuda:"), shown)
    return shown


def methods(check: Check) -> str:
    cpu = check.evaluate("methods-cpu", METHODS, "cpu")
    return compared(cpu, check.evaluate("methods-gpu", METHODS, "auto"), check.scenes * 7)


def settings(check: Check) -> str:
    few = replace(check, scenes=max(1, check.scenes // 4))

    def runs(name: str, device: str) -> Path:
        both = "zero-shot", "sepm"
        folders = [few.evaluate(name, both, device, *setting.split()) for setting in SETTINGS]
        return folders[0]  # that of all of them

    cpu, gpu = runs("settings-cpu", "cpu"), runs("settings-gpu", "auto")
    return compared(cpu, gpu, few.scenes * 2 * len(SETTINGS))


def processes(check: Check) -> str:
    one = check.evaluate("methods-gpu", METHODS, "auto")
    two = check.evaluate("processes", ["zero-shot", "sepm"], "cuda:0", launcher=LAUNCH)
    count = json.loads((two / "sepm" / "accuracy.json").read_text())["timing"]["processes"]
    require(count == 2, f"{count} process has computed")
    return compared(one, two, check.scenes * 2)


def compared(expected: Path, found: Path, rows: int) -> str:
    """Comparison of one folder of runs with another, which may have more methods.

    Raises:
        NotHeldError: rows are missing, or differ in an answer, a branch, a dropped token, or by
            more than `LARGEST_DP` in a probability.
    """
    theirs, ours = _rows(expected), _rows(found)
    both = [key for key in ours if key in theirs]
    different = [key for key in both if ours[key][0] != theirs[key][0]]
    gaps = [
        abs(a - b)
        for key in both
        if key not in different  # the same options were shown
        for a, b in zip(ours[key][1], theirs[key][1], strict=True)
    ]
    largest = max(gaps, default=0.0)
    shown = f"{len(both)} of {rows} rows, {len(different)} decided otherwise, |Δp| <= {largest:.1e}"
    require(not different, f"{shown}: {', '.join(map(' '.join, different[:5]))}")
    require(len(both) == rows and largest <= LARGEST_DP, shown)
    return shown


def _rows(folder: Path) -> dict[tuple[str, str], tuple[Json, list[float]]]:
    """Method and question -> the row without its numbers, and its probabilities."""
    rows = {}
    for path in sorted(folder.glob("*/predictions.jsonl")):
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            coarse = row.get("coarse") or {}
            coarse.pop("confidence", None)  # a function of the two probabilities
            probs = [coarse.pop(name) for name in ("p_a", "p_b") if name in coarse]
            for answer in (row["fine"], *row.get("rotations", ())):
                probs += answer.pop("probs").values()
            rows[path.parent.name, row["question_id"]] = row, probs
    return rows


def audit(check: Check) -> str:
    output = check.folder / "audit.json"
    check.run(
        *("audit", "-m", "sepm", "audit", *ON_DEMO, "--limit", check.scenes, "--output", output),
        *("--method", "zero-shot", "cci+fp", "sepm", "--dtypes", "float32", "float16", "bfloat16"),
    )
    shown = []
    for comparison in json.loads(output.read_text(encoding="utf-8"))["comparisons"]:
        reference, other = comparison["reference"], comparison["other"]
        if reference["together"] or reference["dtype"] != "float32":
            continue
        found = comparison["methods"].values()
        answers = sum(method["changed"]["answer"] for method in found)
        beyond = sum(method["beyond_rounding"] for method in found)
        shown.append(
            f"{other['dtype']} at batch {other['batch_size']}: {answers} other answers, "
            f"{beyond} changes beyond rounding"
        )
    return "; ".join(shown)  # a change in float32 that rounding does not explain is status 1


def gpu_tests(check: Check) -> str:
    if importlib.util.find_spec("pytest") is None:
        raise NotRunError("no pytest here")
    words = ("-m", "pytest", "-m", "gpu", "-q", "-W", "default", "-p", "no:cacheprovider")
    printed = check.run("gpu-tests", *words, "tests/sepm/test_on_a_gpu.py")
    return printed.strip().splitlines()[-1]


def llava_bench(check: Check) -> str:
    options = "reference single batched once --batch-sizes 2 8 --images 32"
    _, result = check.bench("bench", "llava-1.5-7b", options, seconds=160)
    import torch

    wanted = RATIO if torch.cuda.get_device_capability()[0] >= 9 else RATIO_BEFORE_HOPPER
    variants = result["variants"]
    rates = {key: found["images_per_second"]["median"] for key, found in variants.items()}
    share, peak = result["prefill"][-1]["share_of_ceiling"], variants["batch-8"]["peak_memory_gb"]
    ratio = rates["batch-8"] / rates["reference"]
    shown = (
        ", ".join(f"{key} {rate:.3g} images/s" for key, rate in rates.items())
        + f"; ratio at batch 8 {ratio:.2f} (aimed at {wanted}), the image once in "
        f"{rates['batch-8'] / rates['once-8']:.2f} of the time, prefill at {100 * share:.0f}% of "
        f"{result['ceiling']['tflops']:.3g} TFLOP/s, {peak:.1f} GB"
    )
    require(ratio >= wanted and share >= SHARE_OF_CEILING and peak < GB_AT_BATCH_8, shown)
    return shown


def small_gpu(check: Check) -> str:
    options = "methods --batch-sizes 8 --images 16"
    _, result = check.bench("small", "llava-1.5-7b", options, GB_OF_A_SMALL_GPU)
    peaks = {key: found["peak_memory_gb"] for key, found in result["variants"].items()}
    return "; ".join(f"{key}: {peak:.1f} GB" for key, peak in peaks.items())


def halved(check: Check) -> str:
    options = "batched --batch-sizes 128 --images 128"
    printed, _ = check.bench("halved", "llava-1.5-7b", options, GB_TOO_SMALL, status=1)
    notes = [line for line in printed.splitlines() if "out of memory: going on" in line]
    require(bool(notes), printed.strip().splitlines()[-1])
    return notes[-1].strip()


def vila_bench(check: Check) -> str:
    _, result = check.bench("vila", "vila1.5-8b", "single batched --batch-sizes 8 --images 16")
    found = result["variants"]["batch-8"]
    shown = f"{found['images_per_second']['median']:.3g} images/s, {found['peak_memory_gb']:.1f} GB"
    require(found["peak_memory_gb"] < GB_AT_BATCH_8, shown)
    return shown


def any_model(check: Check) -> str:
    output = check.folder / "any-model.json"
    check.run("any-model", HERE / "any_model.py", output)
    found = json.loads(output.read_text())
    sizes = {key: value for key, value in found.items() if key.startswith("batch-")}
    shown = f"{found['parameters'] / 1e9:.1f}e9 weights; " + "; ".join(
        f"{key}: {value['images_per_second']:.3g} images/s, {value['peak_memory_gb']:.1f} GB"
        for key, value in sizes.items()
    )
    largest = max(value["peak_memory_gb"] for value in sizes.values())
    require(largest < GB_AT_BATCH_8, shown)
    return shown


def prefill(check: Check) -> str:
    output = check.folder / "prefill.json"
    check.run("prefill", HERE / "prefill.py", "llava-1.5-7b", output)
    found = json.loads(output.read_text())
    kernels = found["attention_kernels"]
    shown = (
        f"{found['launches']} launches, attention {kernels}, {found['waits']} waits, "
        f"{found['ms_per_token']:.1f} ms a decoded token"
    )
    fast = sum(n for name, n in kernels.items() if "flash" in name or "fmha" in name)
    foreign = [name for name in kernels if "cudnn" in name]
    require(fast >= found["layers"] and not foreign and found["waits"] <= MOST_WAITS, shown)
    return shown


Step = Callable[[Check], str]
"""A function to what a step showed. Raises `NotHeldError`, or `NotRunError`."""

STEPS: dict[str, tuple[str, Step]] = {
    "eval": ("an evaluation runs on the default device", eval_default),
    "methods": (
        f"seven methods in float32 decide as on the CPU, probabilities to {LARGEST_DP:g}", methods,
    ),
    "settings": ("other settings decide in float32 as on the CPU", settings),
    "processes": ("two processes on one GPU give the rows of one", processes),
    "audit": ("batches change nothing in float32 that rounding does not explain", audit),
    "tests": ("the tests marked gpu pass", gpu_tests),
    "bench": (
        f"LLaVA-1.5-7B in float16: faster than a script, prefill at {SHARE_OF_CEILING:.0%} of the "
        f"ceiling or more, under {GB_AT_BATCH_8} GB at batch 8", llava_bench,
    ),
    "small": (f"seven methods at batch 8 within {GB_OF_A_SMALL_GPU} GB", small_gpu),
    "halved": (f"a batch too large for {GB_TOO_SMALL} GB is halved", halved),
    "vila": (f"VILA-1.5-8B in float16 runs under {GB_AT_BATCH_8} GB at batch 8", vila_bench),
    "any-model": (
        f"a Qwen2.5-VL of 7B in bfloat16 runs under {GB_AT_BATCH_8} GB at batch 8", any_model,
    ),
    "prefill": (
        f"a prefill attends by flash or memory-efficient kernels and waits {MOST_WAITS} times at "
        "most", prefill,
    ),
}  # fmt: skip
"""Name -> what it must show, and the step; the most important first."""


def carry_out(step: Step, check: Check) -> tuple[bool | None, str]:
    """Whether a step held, None where it cannot be run here, and what it showed."""
    try:
        return True, step(check)
    except NotRunError as reason:
        return None, str(reason)
    except NotHeldError as shown:
        return False, str(shown)
    except Exception as error:  # a file that lacks something: it too ends no other step
        return False, f"{type(error).__name__}: {error}"


def why_not_here() -> str | None:
    """Why no step can be run by this Python on this machine."""
    try:
        import torch

        if not torch.cuda.is_available():
            return f"no GPU here: torch {torch.__version__} sees no CUDA device"
        for module in ("sepm.evaluation.evaluate", "sepm.bench.run"):
            importlib.import_module(module)
    except ImportError as error:
        return f"{sys.executable} lacks a package: {error} (see the top of scripts/gpu_check.sh)"
    return None


def main() -> int:
    """Status 0: all held; 1: something did not; 2: not here."""
    parser = argparse.ArgumentParser(prog="bash scripts/gpu_check.sh")
    stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    default = ROOT / "results" / f"gpu-check-{stamp}"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), metavar="NAME")
    parser.add_argument("--scenes", type=int, default=SCENES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if (reason := why_not_here()) is not None:
        parser.exit(2, f"gpu_check: {reason}\n")
    args.folder.mkdir(parents=True, exist_ok=True)
    if any(args.folder.iterdir()):
        parser.exit(2, f"gpu_check: {args.folder} is not empty; name a new folder\n")
    check = Check(args.folder.resolve(), args.scenes, time.monotonic() + TOTAL_SECONDS)
    results: list[Json] = []
    for name in args.steps:
        started = time.monotonic()
        must, step = STEPS[name]
        held, shown = carry_out(step, check)
        seconds = time.monotonic() - started
        mark = {True: "held", False: "NOT HELD", None: "not run"}[held]
        print(f"{mark:8}  {name}: {must}\n          {shown} ({seconds:.0f} s)", flush=True)
        result = {"step": name, "must": must, "held": held, "shown": shown, "seconds": seconds}
        results.append(result)
        (check.folder / "summary.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"logs and JSON: {check.folder}")
    return int(any(result["held"] is False for result in results))


if __name__ == "__main__":
    sys.exit(main())
