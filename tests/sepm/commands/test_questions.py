"""`sepm questions` as its user meets it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from sepm.cli import main

IMAGES = ("awe/awe_00001.jpg", "fear/fear_00002.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """EmoSet-118K with two test images."""
    root = tmp_path / "EmoSet-118K"
    for name in IMAGES:
        (root / "image" / name).parent.mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(root / "image" / name)
    rows = [[name.split("/")[0], f"image/{name}", f"annotation/{name}"] for name in IMAGES]
    (root / "test.json").write_text(json.dumps(rows))
    return root


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "question" / "emoset" / "stage_1.jsonl"


def run(root: Path, output: Path, task: str = "emoset", options: str = "") -> int:
    """Exit status of the command."""
    return main(["questions", task, "--root", str(root), "--output", str(output), *options.split()])


def test_the_question_file_and_its_manifest_are_written(
    root: Path, output: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(root, output, options="--split test") == 0
    assert [json.loads(line) for line in output.read_text().splitlines()] == [
        {"question_id": i, "image": i, "category": i.split("/")[0]} for i in IMAGES
    ]
    text = capsys.readouterr().out
    assert f"{output}: 2 questions of emoset (split test)" in text
    assert "NOTE n is 2; every accuracy in the paper fits n = 17716" in text
    assert "class table: order confirmed, words confirmed, polarity confirmed" in text
    assert f"--image-folder {root / 'image'}" in text
    assert str(output.with_name("stage_1.manifest.json")) in text


def test_json_prints_the_manifest(root: Path, output: Path, capsys: pytest.CaptureFixture[str]):
    assert run(root, output, options="--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(output.with_name("stage_1.manifest.json").read_text())
    assert printed["options"] == {"split": "test"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"options": "--ties drop"}, "--ties is no option of emoset; its options: --split"),
        ({"options": "--split val"}, "val.json: no such file"),
        ({"task": "emoste"}, "unknown task 'emoste'; did you mean 'emoset'?"),
        ({"task": "emotion6", "root": Path("absent")}, "no data set: absent is no folder"),
    ],
)
def test_what_cannot_be_read_is_status_2_and_nothing_is_written(
    root: Path, output: Path, arguments: dict, said: str, capsys: pytest.CaptureFixture[str]
):
    assert run(**{"root": root, "output": output, **arguments}) == 2
    assert said in capsys.readouterr().err
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_status_2(
    root: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(root, root / "test.json" / "q.jsonl") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_parquet_files_become_images_and_questions(
    tmp_path: Path, output: Path, root: Path, capsys: pytest.CaptureFixture[str]
):
    pa = pytest.importorskip("pyarrow", reason="the extra `hub` is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    content = (root / "image" / IMAGES[0]).read_bytes()
    table = pa.table({"picture": [content, content + b"."], "mood": [0, 1]})
    (tmp_path / "parquet").mkdir()
    pq.write_table(table, tmp_path / "parquet" / "a.parquet")
    options = (
        f"--parquet {tmp_path / 'parquet'} --image-column picture --label-column mood "
        "--label-names awe fear --taxonomy emoset"
    )
    assert run(tmp_path / "made", output, "hub", options) == 0
    text = capsys.readouterr().out
    assert "2 questions of hub (taxonomy emoset" in text
    assert "label names awe fear" in text
    assert [json.loads(line)["category"] for line in output.read_text().splitlines()] == [
        "awe",
        "fear",
    ]
