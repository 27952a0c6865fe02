"""`sepm table` end to end on a tiny model."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.cli import main

Json = dict[str, Any]
LAYERS = ("--sparsevlm-layers", 0, 1, 2)


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


def test_the_cells_of_all_tables_are_those_of_the_records(output: Path) -> None:
    folder, cells = output / "tables" / "llava-tiny", []
    for number in (1, 2, 3):
        table = json.loads((folder / f"table{number}.json").read_text())
        cells += [row["cells"]["emoset"] for row in table["rows"]]
        assert f"# Table {number}" in (folder / f"table{number}.md").read_text(encoding="utf-8")
        assert (folder / f"table{number}.csv").exists()
    assert len(cells) == 5 + 7 + 5
    zero_shot: Json = {}
    for cell in cells:
        lines = (Path(cell["folder"]) / "predictions.jsonl").read_text().splitlines()
        right = {row["question_id"]: row["correct"] for row in map(json.loads, lines)}
        assert (cell["n"], cell["correct"]) == (24, sum(right.values()))
        zero_shot = zero_shot or right
        if versus := cell.get("versus_zero_shot"):
            assert versus["gained"] == sum(right[key] > zero_shot[key] for key in right)
            assert versus["lost"] == sum(right[key] < zero_shot[key] for key in right)


def test_only_the_tasks_asked_for_are_shown(output: Path) -> None:
    for number in (1, 2, 3):
        stem = output / "tables" / "llava-tiny" / f"table{number}"
        table = json.loads(stem.with_suffix(".json").read_text())
        assert table["tasks"] == ["emoset"]
        assert "average" not in table["rows"][0]
        text = stem.with_suffix(".md").read_text(encoding="utf-8")
        assert not any(other in text for other in ("emotion6", "webemo7", "average", "--tasks"))


def test_the_bundled_scenes_are_a_task_of_their_own_without_the_papers_numbers(
    scenes: Any, command: Any, tmp_path: Path, run_sepm: Any
) -> None:
    options = command(scenes, tmp_path, "--tasks", "demo", "--limit", 2)[3:]
    shown = run_sepm(["table", "3", *options]).out
    assert re.search(r"^row +demo$", shown, re.MULTILINE)
    assert "emoset" not in shown
    assert "paper (" not in shown
    assert (tmp_path / "demo/llava-tiny/sepm/accuracy.json").is_file()


def test_a_table_without_any_task_asked_for_is_left_out_and_told(
    tmp_path: Path, tiny_llava: Path, run_sepm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["table", "1", "3", "--tasks", "abstract", "--model-path", tiny_llava]
    said = run_sepm(line, status=2).err
    assert "Table 3 is left out: it has no abstract" in said
    assert "abstract: no data set at data/testImages_abstract" in said
    line[4] = "demo"
    assert "no folder data/demo; --data names the one that holds demo" in run_sepm(line, 2).err


def test_a_table_again_computes_nothing(
    output: Path, on_scenes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in output.rglob("*.jsonl")}
    monkeypatch.setattr("llava.Checkpoint.load", None)
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
    assert "\nemoset\n" in text


def test_no_data_at_all_is_status_2(
    tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(table_of_data(tiny_llava)) == 2
    errors = capsys.readouterr().err
    assert "there is no task to evaluate:" in errors
    assert errors.count("emoset: no data set at data/EmoSet-118K and no question file") == 1
    assert errors.count("emotion6: no data set") == 1
    assert "or what `sepm questions emoset --root data/EmoSet-118K --output" in errors
    assert not (tmp_path / "results").exists()


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


def test_what_the_rows_decide_is_no_option(
    tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--beta", "--drop"):
        assert main(table_of_data(tiny_llava, option, "0.3")) == 2
        assert f"unknown option {option}" in capsys.readouterr().err


def test_settings_that_differ_stand_in_the_files_names(on_scenes: Any, tmp_path: Path) -> None:
    options = ("--limit", 2, "--preset", "released", "--alpha", 0.05)
    assert main(on_scenes(tmp_path, *options, numbers="3")) == 0
    names = {path.name for path in (tmp_path / "tables/llava-tiny").iterdir()}
    assert names == {f"table3-released-alpha0.05.{kind}" for kind in ("md", "csv", "json")}
