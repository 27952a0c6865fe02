import json
from pathlib import Path

import pytest
from PIL import Image

from sepm.cli import main


@pytest.fixture
def emoset_root(tmp_path: Path) -> Path:
    """EmoSet-118K with two test images."""
    root = tmp_path / "EmoSet-118K"
    rows: list[list[str]] = []
    for name in ("awe/awe_00001", "fear/fear_00002"):
        (root / "image" / name).parent.mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(root / "image" / f"{name}.jpg")
        rows.append([name.split("/")[0], f"image/{name}.jpg", f"annotation/{name}.json"])
    (root / "test.json").write_text(json.dumps(rows))
    return root


def run(*arguments: str) -> int:
    """Exit status of `sepm questions …`."""
    return main(["questions", *arguments])


def test_the_issues_command_writes_the_question_file_and_its_manifest(
    emoset_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "question" / "emoset" / "stage_1.jsonl"
    root = str(emoset_root)
    assert run("emoset", "--root", root, "--split", "test", "--output", str(output)) == 0
    assert [json.loads(line) for line in output.read_text().splitlines()] == [
        {"question_id": i, "image": i, "category": i.split("/")[0]}
        for i in ("awe/awe_00001.jpg", "fear/fear_00002.jpg")
    ]
    text = capsys.readouterr().out
    assert f"{output}: 2 questions of emoset (split test)" in text
    assert "NOTE n is 2; every accuracy in the paper fits n = 17716" in text
    assert "class table: order confirmed, words confirmed, polarity confirmed" in text
    assert f"--image-folder {emoset_root / 'image'}" in text
    assert str(tmp_path / "question" / "emoset" / "stage_1.manifest.json") in text


def test_json_prints_the_manifest(
    emoset_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "q.jsonl"
    assert run("emoset", "--root", str(emoset_root), "--output", str(output), "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "q.manifest.json").read_text())
    assert printed["options"] == {"split": "test"}


def test_an_option_of_another_task_is_status_2_and_nothing_is_written(
    emoset_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "q.jsonl"
    root = str(emoset_root)
    assert run("emoset", "--root", root, "--ties", "drop", "--output", str(output)) == 2
    assert "--ties is no option of emoset; its options: --split" in capsys.readouterr().err
    assert not output.exists()


def test_an_image_that_is_not_there_is_status_2_and_nothing_is_written(
    emoset_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (emoset_root / "image" / "awe" / "awe_00001.jpg").unlink()
    output = tmp_path / "q.jsonl"
    assert run("emoset", "--root", str(emoset_root), "--output", str(output)) == 2
    assert f"{emoset_root / 'test.json'}:1: no such image" in capsys.readouterr().err
    assert not output.exists()


def test_an_unknown_task_is_status_2_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("emoste", "--root", str(tmp_path), "--output", str(tmp_path / "q.jsonl")) == 2
    assert "unknown task 'emoste'; did you mean 'emoset'?" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_status_2(
    emoset_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "q.jsonl"
    assert run("emoset", "--root", str(emoset_root), "--output", str(output)) == 2
    assert "cannot be written" in capsys.readouterr().err
