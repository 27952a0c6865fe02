"""`sepm sensitivity` end to end: a re-scored α is what a fresh run at that α gives, row by row."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepm.analysis.sweep import rescored
from sepm.cli import main
from sepm.datasets.tasks import load_taxonomy
from sepm.records.reading import read_records

Json = dict[str, Any]
ALPHAS = (0.0, 0.002, 0.01, 0.03, 0.08, 0.25)
BETAS = (0.0, 0.2, 0.5)


@pytest.fixture(scope="module")
def sweep_of(scenes: Any, command: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """A function that makes a `sepm sensitivity` command line over the scenes."""

    def make(output: Path, *options: object) -> list[str]:
        values = [
            word
            for name, given in (("--alphas", ALPHAS), ("--betas", BETAS))
            if name not in options
            for word in (name, *given)
        ]
        return ["sensitivity", *command(scenes, output, *values, *options)[3:]]

    return make


@pytest.fixture(scope="module")
def output(sweep_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sensitivity")
    assert main(sweep_of(folder)) == 0
    return folder


@pytest.fixture(scope="module")
def result(output: Path) -> Json:
    path = output / "emoset/llava-tiny/sensitivity/sensitivity.json"
    return json.loads(path.read_text(encoding="utf-8"))


def rows(output: Path, name: str) -> list[Json]:
    path = output / "emoset/llava-tiny" / name / "predictions.jsonl"
    return list(read_records([path], load_taxonomy("emoset")).values())


def assert_same(found: Json, fresh: Json) -> None:
    """Everything but probabilities the same, and they but for the rounding of other batches."""
    for part, numbers in (("coarse", ("p_a", "p_b", "confidence")), ("fine", ())):
        for name in numbers:
            assert found[part].pop(name) == pytest.approx(fresh[part].pop(name), abs=1e-5)
    assert found["fine"].pop("probs") == pytest.approx(fresh["fine"].pop("probs"), abs=1e-5)
    assert found == fresh


@pytest.mark.parametrize("variance", ["population", "sample"])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_rescored_alpha_equals_a_fresh_run_row_by_row(
    output: Path, scenes: Any, command: Any, tmp_path: Path, alpha: float, variance: str
) -> None:
    options = ("--alpha", alpha, "--variance", variance)
    assert main(command(scenes, tmp_path, *options)) == 0
    (folder,) = (tmp_path / "emoset/llava-tiny").iterdir()
    fresh = {r["question_id"]: r for r in rows(tmp_path, folder.name)}
    stored = [rows(output, name) for name in ("sepm-alpha0", "sepm-alpha0.25")]
    again = rescored(*stored, alpha, variance, "at-most")  # type: ignore[arg-type]
    assert len(again) == len(fresh) == 24
    for row in again:
        assert_same(json.loads(json.dumps(row)), fresh[row["question_id"]])


def test_the_sweep_reaches_both_branches_of_some_samples(result: Json) -> None:
    rates = [point["ambiguous_rate"] for point in result["alpha"]["population"]["points"]]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (0, 1)
    assert len(set(rates)) > 3


def test_beta_points_are_ordinary_runs(output: Path, result: Json) -> None:
    for point, name in zip(
        result["beta"]["points"], ("sepm-beta0", "sepm", "sepm-beta0.5"), strict=True
    ):
        assert point["correct"] == sum(r["correct"] for r in rows(output, name))
        assert point["n"] == 24


def test_csv_has_a_row_for_every_point_and_the_text_names_the_best(
    output: Path, result: Json
) -> None:
    folder = output / "emoset/llava-tiny/sensitivity"
    with (folder / "sensitivity.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    text = (folder / "sensitivity.md").read_text(encoding="utf-8")
    assert f"Best: β = {result['beta']['best']:g}." in text
    assert [row["parameter"] for row in table] == ["alpha"] * 12 + ["beta"] * 3
    values = [float(row["value"]) for row in table if row["variance"] == "population"]
    assert values == [*ALPHAS, *BETAS]


def test_only_samples_between_the_smallest_and_the_largest_alpha_are_asked_twice(
    output: Path, sweep_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sepm.inference import batching

    asked: list[int] = []
    real = batching.answer_batch

    def counted(model: Any, asks: Any, images: Any, text_prefix: Any) -> Any:
        asked.append(len(asks))
        return real(model, asks, images, text_prefix)

    monkeypatch.setattr(batching, "answer_batch", counted)
    options = ("--alphas", 0.01, 0.03, "--betas", 0.2, "--alpha", 0.02)
    assert main(sweep_of(tmp_path, *options)) == 0
    confidences = [r["coarse"]["confidence"] for r in rows(output, "sepm")]
    between = sum(0.005 < value <= 0.03 for value in confidences)
    assert 0 < between < 24
    assert sum(asked) == 24 + 24 + between  # coarse, one fine pass, and the second of some


def test_a_sweep_again_computes_nothing(
    output: Path, sweep_of: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("llava.Checkpoint.load", None)
    assert main(sweep_of(output, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["dataset"] == "emoset"


def test_an_alpha_out_of_range_is_status_2(
    sweep_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(sweep_of(tmp_path, "--alphas", 0.1, 0.6)) == 2
    assert "must be in the range of a variance" in capsys.readouterr().err


def test_an_alpha_that_only_the_sample_variance_reaches_is_swept_there(
    output: Path, sweep_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(sweep_of(output, "--alphas", 0.5, "--limit", 3, "--json")) == 0
    found = json.loads(capsys.readouterr().out)["alpha"]
    assert list(found) == ["sample"]
    assert [point["value"] for point in found["sample"]["points"]] == [0.5]
    assert main(sweep_of(output)) == 0  # leave it as it was


def test_a_preset_without_a_gate_is_status_2(
    sweep_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(sweep_of(tmp_path, "--preset", "released-2025-07")) == 2
    assert "no gate" in capsys.readouterr().err
