"""Results changed by hand, or from elsewhere, given to every command that reads them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main

Json = dict[str, Any]
Told = Callable[[str, int], str]
CONSUMERS = ("eval", "table", "sensitivity", "compare", "figures", "report")


@pytest.fixture
def results(finished: Any, tmp_path: Path) -> Path:
    """A copy of the finished runs, to be spoilt."""
    output = finished["sepm"].folder.parents[2]
    shutil.copytree(output, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def sepm_run(results: Path) -> Path:
    return results / "emoset" / "llava-tiny" / "sepm"


@pytest.fixture
def commands(scenes: Any, command: Any, results: Path) -> dict[str, list[str]]:
    """A command line of each consumer over the results."""
    evaluation = command(scenes, results, "--batch-size", 2, "--save-scores")
    folder = str(results / "emoset" / "llava-tiny" / "sepm")
    output = str(results.parent / "drawn")
    images = ["--image-folder", str(scenes.image_folder)]
    return {
        "eval": evaluation,
        "table": ["table", "3", *evaluation[3:], "--tasks", "emoset"],
        "sensitivity": ["sensitivity", *evaluation[3:], "--alphas", "0.1", "--betas", "0.2"],
        "compare": ["compare", folder, folder],
        "figures": ["figures", folder, *images, "--output", output],
        "report": ["report", folder, *images, "--output", f"{output}/page.html"],
    }


@pytest.fixture
def told(commands: dict[str, list[str]], capsys: pytest.CaptureFixture[str]) -> Told:
    """A function that runs a consumer, holds its status to the one expected, and gives its output.

    Standard error and standard output, as one text.
    """

    def run(consumer: str, status: int) -> str:
        assert main(commands[consumer]) == status
        return "".join(capsys.readouterr())

    return run


def change(path: Path, **fields: Any) -> None:
    """Change fields of `accuracy.json`."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def change_row(folder: Path, index: int, **fields: Any) -> None:
    path = folder / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[index] |= fields
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def spoil(run: Path, how: str) -> str:
    """Spoil the rows of a run; the message that is due."""
    if how == "verdict":
        change_row(run, 4, label="fear", prediction="awe", correct=True)
        return (
            "5: not a prediction record: correct is true, but the prediction is 'awe' and the "
            "label 'fear'"
        )
    if how == "method":
        shutil.copy(run.parent / "zero-shot" / "predictions.jsonl", run)
        return "1: a row without `coarse` is not of sepm"
    change_row(run, 7, question_id="awe/other.png")
    return "8: question_id 'awe/other.png' is not in the question f"


# Only the first three have the question file at hand.
@pytest.mark.parametrize(
    ("consumer", "how"),
    [
        *((consumer, how) for consumer in CONSUMERS for how in ("verdict", "method")),
        *((consumer, "question") for consumer in CONSUMERS[:3]),
    ],
)
def test_rows_that_cannot_be_believed_are_refused_by_all_with_the_same_words(
    consumer: str, how: str, told: Told, sepm_run: Path
) -> None:
    path = sepm_run / "predictions.jsonl"
    said, before = spoil(sepm_run, how), path.read_bytes()
    assert f"{path}:{said}" in told(consumer, 2)
    assert path.read_bytes() == before


# ---- accuracy.json


@pytest.mark.parametrize("consumer", ["compare", "figures", "report"])
def test_stored_counts_that_are_not_the_rows_are_told_and_not_shown(
    consumer: str, told: Told, commands: dict[str, list[str]], sepm_run: Path
) -> None:
    change(sepm_run / "accuracy.json", n=25, correct=25, accuracy=1.0)
    commands["figures"] += ["--figure", "confusion"]  # one will do
    text = told(consumer, 0)
    assert f"{sepm_run}/accuracy.json: n is 25 there, 24 by the rows" in text
    assert "accuracy is 1.0 there" in text
    assert "25 of 2" not in text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("dataset", "../../outside", "dataset '../../outside' is no plain name"),
        ("model", "/tmp/outside", "model '/tmp/outside' is no plain name"),
        ("model", "..", "model '..' is no plain name"),
        ("model", "a\\b", "is no plain name"),
        ("model", 7, "Expected `str`, got `int`"),
        ("preset", "released-1999", "unknown preset 'released-1999'"),
        ("configuration", {"alpha": 0.1}, "configuration lacks beta"),
        ("configuration", None, "Expected `object`, got `null`"),
        ("taxonomy", {"name": "x"}, "missing required field `title`"),
        ("timing", {"images_per_second": "fast"}, "Expected `float"),
    ],
)
def test_facts_that_cannot_be_are_refused_and_nothing_is_written(
    field: str, value: Any, said: str, told: Told, sepm_run: Path
) -> None:
    change(sepm_run / "accuracy.json", **{field: value})
    before = set(sepm_run.parents[3].rglob("*"))
    text = told("figures", 2)
    assert f"{sepm_run}/accuracy.json: " in text
    assert said in text
    assert set(sepm_run.parents[3].rglob("*")) == before


@pytest.mark.parametrize(
    ("consumer", "content"),
    [*((consumer, "{") for consumer in CONSUMERS), ("compare", "[]"), ("compare", "[" * 10_000)],
)
def test_a_damaged_accuracy_file_is_told_by_all(
    consumer: str, content: str, told: Told, sepm_run: Path
) -> None:
    (sepm_run / "accuracy.json").write_text(content)
    assert f"{sepm_run}/accuracy.json: damaged" in told(consumer, 2)


def test_an_accuracy_file_that_was_removed_is_made_anew_from_the_rows(
    commands: Any, sepm_run: Path
) -> None:
    path = sepm_run / "accuracy.json"
    before = json.loads(path.read_text())
    path.unlink()
    assert main(commands["eval"]) == 0
    after = json.loads(path.read_text())
    assert {k: after[k] for k in ("n", "confusion")} == {k: before[k] for k in ("n", "confusion")}


# ---- what is left out, and what lies outside


def test_a_run_that_was_cut_off_is_left_out_by_name(
    commands: Any, results: Path, sepm_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sepm_run / "accuracy.json").unlink()
    assert main(["figures", str(results), "--output", str(results.parent / "drawn")]) == 0
    assert f"{sepm_run} is left out: no accuracy.json" in capsys.readouterr().err


def test_rows_that_other_processes_had_computed_of_a_run_cut_off_are_compared_too(
    commands: Any, sepm_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sepm_run / "accuracy.json").unlink()
    lines = (sepm_run / "predictions.jsonl").read_text().splitlines(keepends=True)
    (sepm_run / "predictions.jsonl").write_text("".join(lines[:10]))
    (sepm_run / "predictions-1.jsonl").write_text("".join(lines[9:15]))
    assert main([*commands["compare"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"]["n"] == 15


@pytest.mark.parametrize("image", ["../secret.png", "{tmp}/secret.png"])
@pytest.mark.parametrize("consumer", ["figures", "report"])
def test_no_picture_from_outside_the_image_folder_is_shown(
    consumer: str, image: str, told: Told, scenes: Any, sepm_run: Path
) -> None:
    for index in range(24):
        change_row(sepm_run, index, image=image.format(tmp=scenes.image_folder.parent))
    assert "question_id 'a" in (text := told(consumer, 2))
    assert "secret.png' points outside" in text or "secret.png' is absolute" in text


def test_tokens_beyond_the_grid_are_refused(told: Told, sepm_run: Path) -> None:
    row = json.loads((sepm_run / "predictions.jsonl").read_text().splitlines()[3])
    change_row(sepm_run, 3, foe_scores=[*row["foe_scores"], 0.0])
    assert f"question_id '{row['question_id']}' has scores or drop" in told("figures", 2)
