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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "data" / "demo"
TOTAL_SECONDS = 470
SCENES = 128
METHODS = ("zero-shot", "zero-shot-cot", "sparsevlm", "fp", "cci", "cci+fp", "sepm")
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
    """Where logs and JSON go."""
    scenes: int
    ends: float
    """By `time.monotonic()`, when the last step must be over."""

    def run(self, log: str, *words: object, status: int = 0, seconds: float = 90) -> str:
        """What a Python command line printed; it and its processes end with its time.

        Raises:
            NotHeldError: its exit status is another than that, or its time was over.
        """
        path = self.folder / f"{log}.log"
        limit = min(seconds, self.ends - time.monotonic())
        require(limit > 0, f"the {TOTAL_SECONDS} s of all steps are over")
        with path.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *map(str, words)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                found = process.wait(limit)
            except subprocess.TimeoutExpired:
                raise NotHeldError(f"not done after {limit:.0f} s; see {path}") from None
            finally:
                _end(process)
        printed = path.read_text(encoding="utf-8", errors="replace")
        last = (printed.strip().splitlines() or [""])[-1]
        require(found == status, f"exit status {found}: {last[:300]}; see {path}")
        return printed

    def evaluate(
        self,
        name: str,
        methods: Sequence[str],
        device: str,
        dtype: str = "float32",
        launcher: Sequence[str] = (),
    ) -> Path:
        """Folder of the runs of some methods over the demo's scenes; rows that are there stay.

        All scenes are two windows, so that two processes have one each.
        """
        output = self.folder / name
        self.run(
            *(name, *launcher, "-m", "sepm", "eval", "--method", *methods, *self._demo()),
            *("--output-dir", output, "--batch-size", max(1, self.scenes // 16)),
            *("--device", device, "--dtype", dtype),
        )
        return output / "emoset" / "llava-demo"

    def _demo(self) -> tuple[object, ...]:
        return (
            *("--model-path", DEMO / "llava-demo", "--limit", self.scenes),
            *("--question-file", DEMO / "stage_1.jsonl", "--image-folder", DEMO / "image"),
            *("--sparsevlm-layers", "0", "1", "2"),
        )

    def audit(self) -> Json:
        """The audit of the demo in all precisions."""
        output = self.folder / "audit.json"
        self.run(
            *("audit", "-m", "sepm", "audit", "--method", "zero-shot", "cci+fp", "sepm"),
            *(*self._demo(), "--dtypes", "float32", "float16", "bfloat16", "--output", output),
        )
        return json.loads(output.read_text(encoding="utf-8"))

    def bench(self, name: str, shape: str, *options: object, **how: Any) -> tuple[str, Json]:
        """What a benchmark in float16 printed, and its JSON where it has written one.

        Args:
            name: of the log and the file.
            shape: of the model.
            options: further ones.
            how: `limit_gb` of the GPU's memory; `status` and `seconds` of `run`.
        """
        output, limit_gb = self.folder / f"{name}.json", how.pop("limit_gb", None)
        module = ("-m", "sepm")
        if limit_gb is not None:
            module = (str(Path(__file__).with_name("limited.py")), str(limit_gb))
        printed = self.run(
            *(name, *module, "bench", "--shape", shape, "--dtype", "float16", "--repeats", "1"),
            *("--output", output, *options),
            **how,
        )
        return printed, json.loads(output.read_text()) if output.is_file() else {}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a command and whatever it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


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


def processes(check: Check) -> str:
    one = check.evaluate("methods-gpu", METHODS, "auto")
    two = check.evaluate("processes", ["zero-shot", "sepm"], "cuda:0", launcher=LAUNCH)
    count = json.loads((two / "sepm" / "accuracy.json").read_text())["timing"]["processes"]
    require(count == 2, f"{count} process has computed")
    return compared(one, two, check.scenes * 2)


def compared(expected: Path, found: Path, rows: int) -> str:
    """How the rows of one folder of runs are those of another, which may have more methods.

    Raises:
        NotHeldError: rows are missing, or differ in an answer, a branch, a dropped token, or by
            more than `LARGEST_DP` in a probability.
    """
    pairs = list(_pairs(expected, found))
    different, largest = [], 0.0
    for name, ours, theirs in pairs:
        if _decided(ours) != _decided(theirs):
            different.append(f"{name} {ours['question_id']}")
        else:  # the same options were shown
            gaps = [abs(a - b) for a, b in zip(_probs(ours), _probs(theirs), strict=True)]
            largest = max(largest, *gaps)
    shown = (
        f"{len(pairs)} of {rows} rows, {len(different)} decided otherwise, |Δp| <= {largest:.1e}"
    )
    require(not different, f"{shown}: {', '.join(different[:5])}")
    require(len(pairs) == rows and largest <= LARGEST_DP, shown)
    return shown


def _pairs(expected: Path, found: Path) -> Iterator[tuple[str, Json, Json]]:
    """A method's folder, and a question's row in both."""
    for path in sorted(found.glob("*/predictions.jsonl")):
        ours, theirs = _rows(path), _rows(expected / path.parent.name / path.name)
        yield from ((path.parent.name, ours[key], theirs[key]) for key in ours.keys() & theirs)


def _rows(path: Path) -> dict[str, Json]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {row["question_id"]: row for row in map(json.loads, lines)}


def _decided(row: Json) -> Json:
    coarse = row.get("coarse") or {}
    return {
        "prediction": row["prediction"],
        "dropped": row.get("dropped"),
        "fine": row["fine"]["text"],
        **{name: coarse.get(name) for name in ("text", "branch")},
    }


def _probs(row: Json) -> list[float]:
    coarse = row.get("coarse") or {}
    return [coarse.get("p_a", 0.0), coarse.get("p_b", 0.0), *row["fine"]["probs"].values()]


def audit(check: Check) -> str:
    shown = []
    for comparison in check.audit()["comparisons"]:
        if (
            not comparison["reference"]["together"]
            and comparison["reference"]["dtype"] == "float32"
        ):
            found, other = comparison["methods"].values(), comparison["other"]
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
    parts = ("--only", "reference", "single", "batched", "--batch-sizes", "2", "8")
    _, result = check.bench("bench", "llava-1.5-7b", *parts, "--images", "32", seconds=160)
    import torch

    wanted = RATIO if torch.cuda.get_device_capability()[0] >= 9 else RATIO_BEFORE_HOPPER
    variants = result["variants"]
    rates = {key: found["images_per_second"]["median"] for key, found in variants.items()}
    share, peak = result["prefill"][-1]["share_of_ceiling"], variants["batch-8"]["peak_memory_gb"]
    ratio = rates["batch-8"] / rates["reference"]
    shown = (
        ", ".join(f"{key} {rate:.3g} images/s" for key, rate in rates.items())
        + f"; ratio at batch 8 {ratio:.2f} (aimed at {wanted}), prefill at {100 * share:.0f}% of "
        f"{result['ceiling']['tflops']:.3g} TFLOP/s, {peak:.1f} GB"
    )
    require(ratio >= wanted and share >= SHARE_OF_CEILING and peak < GB_AT_BATCH_8, shown)
    return shown


def small_gpu(check: Check) -> str:
    parts = ("--only", "methods", "--batch-sizes", "8", "--images", "16")
    _, result = check.bench("small", "llava-1.5-7b", *parts, limit_gb=GB_OF_A_SMALL_GPU)
    peaks = {key: found["peak_memory_gb"] for key, found in result["variants"].items()}
    return "; ".join(f"{key}: {peak:.1f} GB" for key, peak in peaks.items())


def halved(check: Check) -> str:
    parts = ("--only", "batched", "--batch-sizes", "128", "--images", "128")
    printed, _ = check.bench("halved", "llava-1.5-7b", *parts, limit_gb=GB_TOO_SMALL, status=1)
    notes = [line for line in printed.splitlines() if "out of memory: going on" in line]
    require(bool(notes), printed.strip().splitlines()[-1])
    return notes[-1].strip()


def vila_bench(check: Check) -> str:
    parts = ("--only", "single", "batched", "--batch-sizes", "8", "--images", "16")
    _, result = check.bench("vila", "vila1.5-8b", *parts)
    found = result["variants"]["batch-8"]
    shown = f"{found['images_per_second']['median']:.3g} images/s, {found['peak_memory_gb']:.1f} GB"
    require(found["peak_memory_gb"] < GB_AT_BATCH_8, shown)
    return shown


def prefill(check: Check) -> str:
    output = check.folder / "prefill.json"
    check.run("prefill", Path(__file__).with_name("prefill.py"), "llava-1.5-7b", output)
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


@dataclass(frozen=True)
class Step:
    """One step."""

    must: str
    """What it must show."""
    run: Callable[[Check], str]
    """What it shows. Raises `NotHeldError`, or `NotRunError`."""


STEPS = {
    "eval": Step("an evaluation runs on the default device", eval_default),
    "methods": Step(
        f"seven methods in float32 decide as on the CPU, probabilities to {LARGEST_DP:g}", methods
    ),
    "processes": Step("two processes on one GPU give the rows of one", processes),
    "audit": Step("batches change nothing in float32 that rounding does not explain", audit),
    "tests": Step("the tests marked gpu pass", gpu_tests),
    "bench": Step(
        f"LLaVA-1.5-7B in float16: faster than a script, prefill at {SHARE_OF_CEILING:.0%} of the "
        f"ceiling or more, under {GB_AT_BATCH_8} GB at batch 8",
        llava_bench,
    ),
    "small": Step(f"seven methods at batch 8 within {GB_OF_A_SMALL_GPU} GB", small_gpu),
    "halved": Step(f"a batch too large for {GB_TOO_SMALL} GB is halved", halved),
    "vila": Step(f"VILA-1.5-8B in float16 runs under {GB_AT_BATCH_8} GB at batch 8", vila_bench),
    "prefill": Step(
        f"a prefill attends by flash or memory-efficient kernels and waits {MOST_WAITS} times at "
        "most",
        prefill,
    ),
}
"""The most important first."""


def carry_out(step: Step, check: Check) -> tuple[bool | None, str]:
    """Whether a step held, None where it cannot be run here, and what it showed."""
    try:
        return True, step.run(check)
    except NotRunError as reason:
        return None, str(reason)
    except NotHeldError as shown:
        return False, str(shown)
    except Exception as error:  # a file that lacks something: it too ends no other step
        return False, f"{type(error).__name__}: {error}"


def why_not_here() -> str | None:
    """Why no step can be run by this Python on this machine."""
    try:
        for module in ("torch", "sepm.evaluation.evaluate", "sepm.bench.run"):
            importlib.import_module(module)
    except ImportError as error:
        return f"{sys.executable} lacks a package: {error} (see the top of scripts/gpu_check.sh)"
    import torch

    if not torch.cuda.is_available():
        return f"no GPU here: torch {torch.__version__} sees no CUDA device"
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
        print(f"gpu_check: {reason}", file=sys.stderr)
        return 2
    args.folder.mkdir(parents=True, exist_ok=True)
    if any(args.folder.iterdir()):
        print(f"gpu_check: {args.folder} is not empty; name a new folder", file=sys.stderr)
        return 2
    check = Check(args.folder.resolve(), args.scenes, time.monotonic() + TOTAL_SECONDS)
    results: list[Json] = []
    for name in args.steps:
        started = time.monotonic()
        held, shown = carry_out(STEPS[name], check)
        seconds = time.monotonic() - started
        mark = {True: "held", False: "NOT HELD", None: "not run"}[held]
        must = STEPS[name].must
        print(f"{mark:8}  {name}: {must}\n          {shown} ({seconds:.0f} s)", flush=True)
        results.append(
            {"step": name, "must": must, "held": held, "shown": shown, "seconds": seconds}
        )
        (check.folder / "summary.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"logs and JSON: {check.folder}")
    return int(any(result["held"] is False for result in results))


if __name__ == "__main__":
    sys.exit(main())
