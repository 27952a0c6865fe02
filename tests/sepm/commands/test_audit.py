"""`sepm audit` on tiny checkpoints of both families."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch

from llava import Checkpoint, Llava
from sepm.cli import main

BOTH_FAMILIES = True
METHODS = ("zero-shot", "cci", "sepm")
SAMPLES = 24

Audit = Callable[..., list[str]]


@dataclass(frozen=True)
class Finished:
    """One audit that was done."""

    status: int
    text: str
    folder: Path
    report: Any


@pytest.fixture(scope="session")
def audit(tiny_model: Path, scenes: Any) -> Audit:
    """A function that makes a `sepm audit` command line on the CPU."""

    def make(output: Path, *options: object, method: str = "zero-shot") -> list[str]:
        return [
            *("audit", "--method", *method.split(), "--model-path", str(tiny_model)),
            *("--question-file", str(scenes.question_file)),
            *("--image-folder", str(scenes.image_folder)),
            *("--device", "cpu", "--output", str(output), *map(str, options)),
        ]

    return make


@pytest.fixture(scope="session")
def audited(audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The default audit of three methods over 8 scenes, never disturbed."""
    folder = tmp_path_factory.mktemp("audit")
    said = StringIO()
    with redirect_stdout(said):
        options = ("--batch-size", 3, "--limit", SAMPLES)
        status = main(audit(folder / "report.json", *options, method=" ".join(METHODS)))
    return Finished(
        status, said.getvalue(), folder, json.loads((folder / "report.json").read_text())
    )


@pytest.fixture
def run_audit(audit: Audit, run_sepm: Any, tmp_path: Path) -> Callable[..., tuple[Any, Any]]:
    """A function that runs an audit to the status expected: what it printed, and its report."""

    def run(*options: object, method: str = "zero-shot", status: int = 0) -> tuple[Any, Any]:
        path = tmp_path / "report.json"
        shown = run_sepm(audit(path, *options, method=method), status)
        return shown, json.loads(path.read_text()) if path.exists() else None

    return run


@pytest.fixture
def exchange_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model answer about the wrong image of a batch, as a faulty fast path would."""
    whole = Llava.encode

    def exchanged(model: Llava, inputs: Any) -> Any:
        return whole(model, inputs)[::-1]

    monkeypatch.setattr(Llava, "encode", exchanged)


def test_one_pass_changes_nothing_in_float32(audited: Finished) -> None:
    assert audited.status == 0
    fast = audited.report["comparisons"][0]
    assert fast["other"] == {"dtype": "float32", "batch_size": 3, "together": True}
    for name in METHODS:
        assert fast["methods"][name]["n"] == SAMPLES
        assert fast["methods"][name]["rows"] == []
        assert fast["methods"][name]["largest_shift"] < 1e-4
    assert "No answer, branch or dropped token changed." in audited.text


def test_half_precision_on_a_cpu_is_bfloat16_and_moves_probabilities(audited: Finished) -> None:
    others = [
        (found["reference"]["dtype"], found["other"]["dtype"], found["other"]["together"])
        for found in audited.report["comparisons"]
    ]
    assert others == [
        ("float32", "float32", True),
        ("float32", "bfloat16", False),
        ("float32", "bfloat16", True),
        ("bfloat16", "bfloat16", True),
    ]
    for found in audited.report["comparisons"][1:3]:
        assert found["methods"]["sepm"]["largest_shift"] > 1e-4


def test_the_text_has_every_row_that_the_report_has(audited: Finished) -> None:
    blocks = audited.text.split("\nagainst ")[1:]
    for found, block in zip(audited.report["comparisons"], blocks, strict=True):
        lines = block.splitlines()
        listed = [line.split(":")[0].strip() for line in lines if "(margins " in line]
        rows = [
            f"{name} {row['question_id']}"
            for name, method in found["methods"].items()
            for row in method["rows"]
        ]
        assert sorted(listed) == sorted(rows)
        for name, method in found["methods"].items():
            header, shown = (
                next(line for line in lines if line.startswith(f"{first} "))
                for first in ("method", name)
            )
            for what, number in method["changed"].items():
                end = header.index(f"  {what}") + len(f"  {what}")  # numbers stand to the right
                assert shown[:end].split()[-1] == str(number)


def test_tokens_that_half_precision_drops_instead_come_with_their_margins(
    audited: Finished,
) -> None:
    rows = audited.report["comparisons"][1]["methods"]["sepm"]["rows"]
    changes = [c for row in rows for c in row["changes"] if c["what"] == "dropped tokens"]
    assert changes
    for change in changes:
        gone, came = change["values"]
        assert len(gone) == len(came) > 0
        assert 0 <= change["cut"] <= change["margins"][0] < 1


def test_nothing_but_the_report_is_written(audited: Finished) -> None:
    assert [path.name for path in audited.folder.iterdir()] == ["report.json"]
    assert f"As JSON: {audited.folder / 'report.json'}" in audited.text


def test_wrong_answers_of_batches_are_listed_and_status_1(
    exchange_images: None, run_audit: Any
) -> None:
    options = ("--batch-size", 4, "--limit", 8, "--dtypes", "float32")
    said, report = run_audit(*options, method="zero-shot sepm", status=1)
    rows = report["comparisons"][0]["methods"]["zero-shot"]["rows"]
    assert rows
    assert all(f"zero-shot {row['question_id']}: answer" in said.out for row in rows)
    assert "the fast path is wrong there" in said.out
    assert "in float32 batches and shared work change what rounding does not explain" in said.err


def test_wrong_answers_in_half_precision_alone_are_listed_and_status_0(
    exchange_images: None, run_audit: Any
) -> None:
    options = ("--batch-size", 4, "--limit", 8, "--dtypes", "bfloat16")
    assert "look at these first" in run_audit(*options, method="sepm")[0].out


def test_the_reference_computes_each_method_by_itself_and_the_other_all_at_once(
    run_audit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, encoded = Llava.encode, []

    def counted(model: Llava, inputs: Any) -> Any:
        encoded.append(len(inputs))
        return whole(model, inputs)

    monkeypatch.setattr(Llava, "encode", counted)
    run_audit("--limit", 3, "--dtypes", "float32", method="zero-shot cci")
    assert encoded == [1, 1, 1, 1, 1, 1, 3]


@pytest.fixture
def dtypes_loaded(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """The precisions in which models were loaded."""
    whole, loaded = Checkpoint.load, []

    def noted(checkpoint: Checkpoint, **options: Any) -> Llava:
        loaded.append(options["dtype"])
        return whole(checkpoint, **options)

    monkeypatch.setattr(Checkpoint, "load", noted)
    return loaded


def test_a_model_is_loaded_once_for_each_precision(run_audit: Any, dtypes_loaded: Any) -> None:
    run_audit("--limit", 2)
    assert dtypes_loaded == [torch.float32, torch.bfloat16]


def test_a_half_precision_reference_needs_no_float32_weights(
    run_audit: Any, dtypes_loaded: Any
) -> None:
    _, report = run_audit("--limit", 2, "--reference", "bfloat16")
    assert dtypes_loaded == [torch.bfloat16]
    (found,) = report["comparisons"]
    assert (found["reference"]["dtype"], found["reference"]["batch_size"]) == ("bfloat16", 1)


def test_json_prints_what_the_file_holds_and_method_options_hold_for_every_variant(
    run_audit: Any,
) -> None:
    options = ("--limit", 2, "--dtypes", "float32", "--alpha", 0.05, "--json")
    shown, report = run_audit(*options, method="cci")
    assert json.loads(shown.out) == report
    assert report["samples"] == 2
    assert report["methods"]["cci-alpha0.05"]["alpha"] == 0.05
    assert list(report["comparisons"][0]["methods"]) == ["cci-alpha0.05"]


def test_the_report_goes_to_results_unless_told(
    audit: Audit, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = audit(Path("x"), "--limit", 1, "--dtypes", "float32")
    place = line.index("--output")
    assert main(line[:place] + line[place + 2 :]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "results" / "audit" / f"emoset-{tiny_model.name}.json"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--limit", 0), "limit must be at least 1, got 0"),
        (("--model-path", "no/such"), "no/such"),
        (("--method", "sparsevlm"), "sparsevlm"),
    ],
)
def test_bad_input_is_status_2_and_nothing_is_written(
    options: tuple[object, ...], said: str, run_audit: Any, tmp_path: Path
) -> None:
    assert said in run_audit(*options, status=2)[0].err
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_fit_in_float32_names_the_way_out(
    run_audit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(checkpoint: Checkpoint, **options: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(Checkpoint, "load", full)
    assert "Try --reference float16" in run_audit("--limit", 2, status=2)[0].err
