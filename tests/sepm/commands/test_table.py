"""`sepm table` end to end on a tiny model, every number of it recomputed from the records."""

import csv
import json
from collections.abc import Callable
from math import comb, sqrt
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.cli import main

Json = dict[str, Any]
LAYERS = ("--sparsevlm-layers", 0, 1, 2)
Z = 1.959963984540054


@pytest.fixture(scope="module")
def on_scenes(scenes: Any, command: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """A function that makes a `sepm table` command line over the scenes."""

    def make(output: Path, *options: object, numbers: str = "1 2 3") -> list[str]:
        rest = command(scenes, output, "--tasks", "emoset", *options)[3:]
        return ["table", *numbers.split(), *rest]

    return make


@pytest.fixture(scope="module")
def output(on_scenes: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three tables of the scenes, each row of them run."""
    folder = tmp_path_factory.mktemp("tables")
    assert main(on_scenes(folder, *LAYERS)) == 0
    return folder


@pytest.fixture(scope="module")
def tables(output: Path) -> list[Json]:
    folder = output / "tables" / "llava-tiny"
    return [json.loads((folder / f"table{n}.json").read_text()) for n in (1, 2, 3)]


def cells(tables: list[Json]) -> list[tuple[str, Json]]:
    return [
        (row["name"], row["cells"]["emoset"])
        for table in tables
        for row in table["rows"]
        if "accuracy" in row["cells"]["emoset"]
    ]


def records(folder: str | Path) -> Json:
    lines = (Path(folder) / "predictions.jsonl").read_text().splitlines()
    return {row["question_id"]: row for row in map(json.loads, lines)}


def wilson(correct: int, n: int) -> tuple[float, float]:
    p = correct / n
    half = Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return tuple((p + Z**2 / (2 * n) + sign * half) / (1 + Z**2 / n) for sign in (-1, 1))  # type: ignore[return-value]


def mcnemar(gained: int, lost: int) -> float:
    changed = gained + lost
    tail = sum(comb(changed, k) for k in range(min(gained, lost) + 1)) / 2**changed
    return min(1.0, 2 * tail)


def paired_interval(both: int, gained: int, lost: int, neither: int) -> tuple[float, float]:
    """Newcombe's method 10, written a second time."""
    n = both + gained + lost + neither
    p1, p2 = (both + gained) / n, (both + lost) / n
    (l1, u1), (l2, u2) = wilson(both + gained, n), wilson(both + lost, n)
    product = both * neither - gained * lost
    product = max(product - n / 2, 0) if product > 0 else product
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    phi = product / sqrt(margins) if margins else 0
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    return p1 - p2 - sqrt(below), p1 - p2 + sqrt(above)


def recounted(reference: Json, other: Json) -> tuple[int, int, int, int]:
    right = [(reference[key]["correct"], other[key]["correct"]) for key in reference]
    return tuple(right.count(pair) for pair in ((1, 1), (0, 1), (1, 0), (0, 0)))  # type: ignore[return-value]


def test_every_row_of_every_table_is_there(tables: list[Json]) -> None:
    assert [len(table["rows"]) for table in tables] == [5, 7, 5]
    assert len(cells(tables)) == 17


def test_accuracy_and_interval_are_those_of_the_records(tables: list[Json]) -> None:
    for _, cell in cells(tables):
        rows = records(cell["folder"]).values()
        correct = sum(row["label"] == row["prediction"] for row in rows)
        assert (cell["n"], cell["correct"], cell["accuracy"]) == (24, correct, correct / 24)
        assert cell["ci95"] == pytest.approx(wilson(correct, 24))
        assert cell["unread"] == sum(row["prediction"] is None for row in rows)


def test_differences_to_zero_shot_are_those_of_the_records(tables: list[Json]) -> None:
    zero_shot = records(cells(tables)[0][1]["folder"])
    compared = [cell for name, cell in cells(tables) if name != "zero-shot"]
    assert len(compared) == 14
    for cell in compared:
        versus = cell["versus_zero_shot"]
        counts = recounted(zero_shot, records(cell["folder"]))
        both, gained, lost, neither = counts
        assert [versus[k] for k in ("both", "gained", "lost", "neither")] == list(counts)
        assert versus["difference"] == pytest.approx((gained - lost) / 24)
        assert versus["p"] == pytest.approx(mcnemar(gained, lost))
        assert versus["ci95"] == pytest.approx(paired_interval(both, gained, lost, neither))
    assert any(cell["versus_zero_shot"]["gained"] for cell in compared)
    assert any(cell["versus_zero_shot"]["lost"] for cell in compared)


def test_further_contrasts_are_those_of_the_records(tables: list[Json]) -> None:
    for table in tables:
        folders = {r["name"]: r["cells"]["emoset"]["folder"] for r in table["rows"]}
        for found in table["contrasts"]:
            counts = recounted(*(records(folders[found[k]]) for k in ("against", "row")))
            assert [found[k] for k in ("both", "gained", "lost", "neither")] == list(counts)
    assert [len(table["contrasts"]) for table in tables] == [2, 4, 3]


def test_change_of_every_class_is_that_of_the_records(tables: list[Json]) -> None:
    zero_shot = records(cells(tables)[0][1]["folder"]).values()
    for _, cell in cells(tables[2:])[1:]:
        other = records(cell["folder"]).values()
        for name, change in cell["per_class"].items():
            before, after = (
                sum(r["correct"] for r in rows if r["label"] == name) / 3
                for rows in (zero_shot, other)
            )
            assert (change["reference"], change["accuracy"]) == (before, after)
            assert change["change"] == pytest.approx(after - before)


def test_markdown_and_csv_show_the_same_numbers(output: Path, tables: list[Json]) -> None:
    folder = output / "tables" / "llava-tiny"
    for table in tables:
        stem = folder / f"table{table['table']}"
        text = stem.with_suffix(".md").read_text(encoding="utf-8")
        with stem.with_suffix(".csv").open(encoding="utf-8") as file:
            flat = {row["row"]: row for row in csv.DictReader(file) if row["task"] == "emoset"}
        for name, cell in cells([table]):
            shown = f"{100 * cell['accuracy']:.2f}"
            low, high = (f"{100 * bound:.2f}" for bound in cell["ci95"])
            line = next(
                line for line in text.split("## emoset")[1].splitlines() if f"| {name} " in line
            )
            assert [part.strip() for part in line.split("|")[2:5]] == [
                "24", shown, f"{low} to {high}",
            ]  # fmt: skip
            assert float(flat[name]["accuracy"]) == cell["accuracy"]
            assert float(flat[name]["ci95_high"]) == cell["ci95"][1]


def test_the_papers_numbers_are_never_shown_as_this_models(output: Path) -> None:
    text = (output / "tables" / "llava-tiny" / "table1.md").read_text(encoding="utf-8")
    assert "**llava-tiny is not the paper's model.**" in text
    assert "paper (LLaVA-1.5-7B)" in text
    assert "54.04" in text  # of Emotion6, which was not run
    assert "56.24" not in text
    assert "emoset, the paper's numbers: n is 24; every accuracy in the paper fits n = " in text


def test_a_table_again_computes_nothing(
    output: Path, on_scenes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in output.rglob("*.jsonl")}
    monkeypatch.setattr("sepm.evaluation.compute.load_model", None)
    assert main(on_scenes(output, *LAYERS)) == 0
    assert {path: path.read_bytes() for path in output.rglob("*.jsonl")} == before


def test_cells_on_disk_are_used_and_only_the_others_computed(
    scenes: Any, command: Any, on_scenes: Any, tmp_path: Path
) -> None:
    assert main(command(scenes, tmp_path)) == 0
    folder = tmp_path / "emoset/llava-tiny"
    before = (folder / "sepm/predictions.jsonl").stat().st_mtime_ns
    assert main(on_scenes(tmp_path, numbers="3")) == 0
    assert (folder / "sepm/predictions.jsonl").stat().st_mtime_ns == before
    assert {path.name for path in folder.iterdir()} == {"zero-shot", "cci", "fp", "cci+fp", "sepm"}


def test_limit_restricts_the_table_to_the_first_questions(
    output: Path, on_scenes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(on_scenes(output, "--limit", 5, "--json", numbers="3")) == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert [row["cells"]["emoset"]["n"] for row in table["rows"]] == [5] * 5
    assert main(on_scenes(output, *LAYERS)) == 0  # leave it as it was


def test_sparsevlm_that_does_not_fit_the_model_says_why_and_the_rest_goes_on(
    on_scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(on_scenes(tmp_path, "--limit", 2, numbers="1")) == 0
    text = capsys.readouterr().out
    assert (
        "- emoset, sparsevlm (version 1.5, 192 tokens): sparsevlm's layers 2, 6, 15 need at least "
        "16 decoder layers, this model has 3; give --sparsevlm-layers"
    ) in text
    rows = json.loads((tmp_path / "tables/llava-tiny/table1.json").read_text())["rows"]
    assert [row["cells"]["emoset"].get("n") for row in rows] == [2, 2, None, 2, 2]


@pytest.fixture
def in_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two images of EmoSet and one of Emotion6, as unpacked."""
    monkeypatch.chdir(tmp_path)
    rows = [["awe", "image/awe/awe_1.jpg", "a"], ["fear", "image/fear/fear_1.jpg", "b"]]
    for path in ("EmoSet-118K/image/awe/awe_1.jpg", "EmoSet-118K/image/fear/fear_1.jpg",
                 "Emotion6/images/joy/1.jpg"):  # fmt: skip
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 30), "orange").save(tmp_path / "data" / path)
    for name in ("anger", "disgust", "fear", "sadness", "surprise"):
        (tmp_path / "data/Emotion6/images" / name).mkdir()
    (tmp_path / "data/EmoSet-118K/test.json").write_text(json.dumps(rows))
    return tmp_path


def table_of_data(model: Path, *options: str) -> list[str]:
    return ["table", "3", "--model-path", str(model), "--device", "cpu", *options]


def test_question_files_are_made_from_the_data_sets_where_they_are_not_there(
    in_data_folder: Path, tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(table_of_data(tiny_llava)) == 0
    assert (in_data_folder / "question/emoset/stage_1.manifest.json").exists()
    errors = capsys.readouterr().err
    assert "emoset: n is 2; every accuracy in the paper fits n = 17716" in errors
    table = json.loads((in_data_folder / "results/tables/llava-tiny/table3.json").read_text())
    assert [table["rows"][0]["cells"][task]["n"] for task in ("emotion6", "emoset")] == [1, 2]
    assert main(table_of_data(tiny_llava)) == 0  # from the question files, this time


def test_a_data_set_that_is_absent_is_said_and_the_rest_runs(
    in_data_folder: Path, tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_data_folder / "data/Emotion6").rename(in_data_folder / "elsewhere")
    assert main(table_of_data(tiny_llava)) == 0
    text = capsys.readouterr().out
    assert "- emotion6, all rows: no data set at data/Emotion6 and no question file" in text


def test_a_task_that_cannot_be_evaluated_is_status_1_and_the_rest_runs(
    in_data_folder: Path, tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_data_folder / "data/Emotion6/images/joy/1.jpg").write_text("<html>404")
    assert main(table_of_data(tiny_llava)) == 1
    text = capsys.readouterr().out
    assert "- emotion6, all rows: 1 of 1 images cannot be read" in text
    assert "## emoset" in text


def test_no_data_at_all_is_status_2(
    tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(table_of_data(tiny_llava)) == 2
    errors = capsys.readouterr().err
    assert "there is no task to evaluate:" in errors
    assert errors.count("emoset: no data set at data/EmoSet-118K and no question file") == 1
    assert "or what `sepm questions emoset --root data/EmoSet-118K --output" in errors
    assert not (tmp_path / "results").exists()


def test_only_tasks_that_were_asked_for_are_said_to_have_no_data(
    tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(table_of_data(tiny_llava, "--tasks", "emoset")) == 2
    _, *reasons = capsys.readouterr().err.strip().splitlines()
    assert [reason.split(":")[0] for reason in reasons] == ["emoset"]


def test_a_task_that_the_table_does_not_have_is_status_2(
    tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(table_of_data(tiny_llava, "--tasks", "abstract")) == 2
    assert "these tables have no abstract; they have emotion6, emoset" in capsys.readouterr().err


def test_no_task_that_can_be_evaluated_is_status_2(
    in_data_folder: Path, tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_data_folder / "data/Emotion6/images/joy/1.jpg").write_text("<html>404")
    assert main(table_of_data(tiny_llava, "--tasks", "emotion6")) == 2
    errors = capsys.readouterr().err
    assert "emotion6: 1 of 1 images cannot be read" in errors
    assert "no task could be evaluated" in errors


def test_a_question_file_belongs_to_one_task_and_needs_its_images(
    scenes: Any, tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ("--question-file", str(scenes.question_file))
    assert main(table_of_data(tiny_llava, *file)) == 2
    assert "belong together" in capsys.readouterr().err
    assert main(table_of_data(tiny_llava, *file, "--image-folder", str(scenes.image_folder))) == 2
    assert "name it, as in --tasks emoset" in capsys.readouterr().err


def test_what_the_rows_decide_is_no_option(tiny_llava: Path) -> None:
    for option in ("--beta", "--drop"):
        with pytest.raises(SystemExit):
            main(table_of_data(tiny_llava, option, "0.3"))


def test_settings_that_differ_stand_in_the_files_names(on_scenes: Any, tmp_path: Path) -> None:
    options = ("--limit", 2, "--preset", "released", "--alpha", 0.05)
    assert main(on_scenes(tmp_path, *options, numbers="3")) == 0
    names = {path.name for path in (tmp_path / "tables/llava-tiny").iterdir()}
    assert names == {f"table3-released-alpha0.05.{kind}" for kind in ("md", "csv", "json")}
