"""`sepm predict` on a tiny model."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sepm.cli import main

EMOSET = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")


@pytest.fixture(scope="module")
def image(scenes: Any) -> Path:
    return next(scenes.image_folder.rglob("*.png"))


def predict(model: Path, *options: object) -> list[str]:
    return ["predict", *map(str, options), "--model-path", str(model), "--device", "cpu"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_model_that_gives_no_numbers_gets_no_answer(
    options: list[str],
    image: Path,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    for file in model.glob("*.safetensors"):
        weights = load_file(file)
        for name in weights:
            if name.startswith("model.mm_projector"):
                weights[name].fill_(float("nan"))
        save_file(weights, file, metadata={"format": "pt"})
    assert main(predict(model, image, *options)) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"{image}: the model's probabilities are not numbers" in shown.err


def test_option_letters_that_the_tokenizer_lacks_are_refused(
    image: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def two_tokens(self: object, option_letter: str) -> int:
        raise ValueError(f"option letter '{option_letter}' is 2 tokens")

    monkeypatch.setattr("llava.Llava.option_id", two_tokens)
    assert main(predict(tiny_model, image)) == 2
    assert "option letter 'A' is 2 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    "lacking",
    ["llava.Llava.encode", "llava.Llava.prefill", "sepm.token_dropping.divprune.most_diverse"],
)
def test_memory_that_does_not_suffice_is_told_and_status_1(
    lacking: str, image: Path, tiny_model: Path, run_sepm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(lacking, ends)
    said = run_sepm(predict(tiny_model, image, "--drop", "divprune"), status=1).err
    assert "sepm predict: out of memory; take a smaller image" in said


def test_a_name_like_mark_up_is_drawn_and_printed_as_it_is(
    image: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = tmp_path / "a$\\bad$_{x\x1b[2J.png"
    shutil.copy(image, name)
    picture = tmp_path / "new folder" / "decision.svg"
    assert main(predict(tiny_model, name, "--picture", picture)) == 0
    assert picture.read_text().startswith("<?xml")
    assert r"a$\bad$_{x\x1b[2J.png" in capsys.readouterr().out
    assert main(predict(tiny_model, name, "--json")) == 0
    assert json.loads(capsys.readouterr().out)[0]["image"] == str(name)


def test_a_folder_is_gone_through_past_an_image_that_cannot_be_read(
    scenes: Any, tiny_model: Path, tmp_path: Path, run_sepm: Any
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(scenes.image_folder / "fear", folder / "fear")
    (folder / "a.jpg").write_text("<html>404")
    (folder / "notes.txt").write_text("no image")
    table = tmp_path / "decisions.csv"
    shown = run_sepm(predict(tiny_model, folder, "--csv", table, "--json"), status=1)
    assert f"image {folder / 'a.jpg'}: " in shown.err
    assert "1 of 4 images could not be read" in shown.err
    decisions = json.loads(shown.out)
    assert [Path(d["image"]).parent.name for d in decisions] == ["fear"] * 3
    unread, *rows = csv.DictReader(table.read_text().splitlines())
    assert {name: cell for name, cell in unread.items() if cell} == {
        "image": str(folder / "a.jpg"),
        "run": "sepm",
        "error": "not an image that PIL can read (9 bytes)",
    }
    for row, decision in zip(rows, decisions, strict=True):
        assert (row["image"], row["emotion"] or None) == (decision["image"], decision["prediction"])
        assert row["branch"] == decision["coarse"]["branch"]
        shown = [float(p) for name in EMOSET if (p := row[f"p_{name}"])]
        assert sorted(shown) == pytest.approx(sorted(decision["fine"]["probs"].values()))
        assert (row["run"], row["error"]) == ("sepm", "")


def test_where_no_image_can_be_read_nothing_was_computed(
    tiny_model: Path, tmp_path: Path, run_sepm: Any
) -> None:
    assert "no image in" in run_sepm(predict(tiny_model, tmp_path), status=2).err
    (tmp_path / "torn.png").write_bytes(b"no image")
    shown = run_sepm(predict(tiny_model, tmp_path / "torn.png"), status=2)
    assert "none of 1 images could be read" in shown.err


def test_where_no_file_is_there_no_model_is_loaded(
    tmp_path: Path, run_sepm: Any, tiny_model: Path
) -> None:
    shown = run_sepm(predict(tiny_model, tmp_path / "absent.png"), status=2)
    assert f"no image: no file or folder {tmp_path / 'absent.png'}; give images" in shown.err
    assert "loading" not in shown.err


def test_what_was_decided_before_an_interruption_is_in_the_table(
    scenes: Any, tiny_model: Path, tmp_path: Path, run_sepm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sepm.inference.predict import Predictor

    decide, asked = Predictor.__call__, list[Any]()

    def interrupted(predictor: Any, image: Any) -> Any:
        asked.append(image)
        if len(asked) > 2:
            raise KeyboardInterrupt
        return decide(predictor, image)

    monkeypatch.setattr(Predictor, "__call__", interrupted)
    table = tmp_path / "decisions.csv"
    shown = run_sepm(predict(tiny_model, scenes.image_folder, "--csv", table), status=130)
    assert len(table.read_text().splitlines()) == 1 + 2
    assert "goes on from there" not in shown.err


def test_a_picture_that_cannot_be_written_leaves_the_answer(
    image: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    picture = tmp_path / "file" / "decision.png"
    assert main(predict(tiny_model, image, "--picture", picture)) == 2
    shown = capsys.readouterr()
    assert "emotion" in shown.out
    assert "decision.png: cannot be written" in shown.err
