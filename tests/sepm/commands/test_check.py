import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sepm.cli import main


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image" / "awe"
    folder.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(folder / "good.jpg")
    (folder / "page.jpg").write_text("<html>404")
    return folder.parent


def write_rows(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows))
    return path


def row(image: str) -> str:
    return json.dumps({"question_id": image, "image": image})


def run(*arguments: object) -> int:
    """Exit status of `sepm check …`."""
    return main(["check", *(str(argument) for argument in arguments)])


def test_nothing_wrong_is_said_with_status_0(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_rows(tmp_path / "q.jsonl", row("awe/good.jpg"))
    assert run("--question-file", file, "--image-folder", image_folder) == 0
    text = capsys.readouterr().out
    assert text.endswith("nothing is wrong\n")
    assert "1 good rows over 1 images (amusement 0, anger 0, awe 1" in text


def test_every_wrong_row_and_image_is_listed_with_status_2(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = ["{", row("awe/page.jpg"), row("awe/good.jpg"), row("fera/x.jpg"), row("awe/absent.jpg")]
    file = write_rows(tmp_path / "q.jsonl", *rows)
    assert run("--question-file", file, "--image-folder", image_folder) == 2
    lines = capsys.readouterr().out.split("\n")
    assert [line.split(": ")[0] for line in lines[:4]] == [f"{file}:{n}" for n in (1, 4, 2, 5)]
    assert "unknown class 'fera'; did you mean 'fear'?" in lines[1]
    assert lines[2].endswith("not an image that PIL can read (9 bytes)")
    assert lines[3].endswith("no such file")
    assert lines[5] == "NOT USABLE AS IT IS"


def test_json_tells_the_same_to_a_program(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_rows(tmp_path / "q.jsonl", row("awe/page.jpg"), "[]")
    assert run("--question-file", file, "--image-folder", image_folder, "--json") == 2
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["bad_rows"] == [
        {"line": 2, "problem": "a JSON list; expected one JSON object a line"}
    ]
    assert report["bad_images"] == [
        {
            "line": 1,
            "question_id": "awe/page.jpg",
            "image": "awe/page.jpg",
            "reason": "not an image that PIL can read (9 bytes)",
        }
    ]


def test_more_wrong_rows_than_an_error_shows_are_all_listed(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_rows(tmp_path / "q.jsonl", *["{"] * 50)
    assert run("--question-file", file, "--image-folder", image_folder) == 2
    assert f"{file}:50: not JSON" in capsys.readouterr().out


def test_labels_are_those_of_the_dataset_named(image_folder: Path, tmp_path: Path):
    good = image_folder / "awe" / "good.jpg"
    (image_folder / "joy").mkdir()
    good.rename(image_folder / "joy" / "good.jpg")
    file = write_rows(tmp_path / "q.jsonl", row("joy/good.jpg"))
    arguments = ("--question-file", file, "--image-folder", image_folder, "--workers", 1)
    assert run(*arguments) == 2
    assert run(*arguments, "--dataset", "emotion6") == 0


def test_a_file_of_another_task_is_told_to_be_one(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = [row("joy/1.jpg"), row("joy/2.jpg"), row("awe/good.jpg")]
    file = write_rows(tmp_path / "q.jsonl", *rows)
    assert run("--question-file", file, "--image-folder", image_folder) == 2
    hint = "2 of 3 rows have a class that emoset does not know"
    assert [hint in line for line in capsys.readouterr().out.splitlines()].count(True) == 1


def test_a_wrong_class_among_good_ones_is_no_other_task(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_rows(tmp_path / "q.jsonl", row("joy/1.jpg"), row("awe/good.jpg"))
    assert run("--question-file", file, "--image-folder", image_folder) == 2
    assert "does not know" not in capsys.readouterr().out


def test_a_question_file_that_is_not_there_is_status_2(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "absent.jsonl"
    assert run("--question-file", file, "--image-folder", image_folder) == 2
    assert f"{file}: no such file" in capsys.readouterr().err


def test_an_empty_question_file_is_status_2(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_rows(tmp_path / "q.jsonl", "")
    assert run("--question-file", file, "--image-folder", image_folder) == 2
    assert "no questions in it" in capsys.readouterr().err


def test_no_worker_is_status_2(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_rows(tmp_path / "q.jsonl", row("awe/good.jpg"))
    assert run("--question-file", file, "--image-folder", image_folder, "--workers", 0) == 2
    assert "workers must be at least 1, got 0" in capsys.readouterr().err


def test_torch_is_never_imported(image_folder: Path, tmp_path: Path):
    file = write_rows(tmp_path / "q.jsonl", row("awe/good.jpg"))
    program = (
        "import sys\n"
        "from sepm.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    arguments = ["check", "--question-file", str(file), "--image-folder", str(image_folder)]
    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert finished.stderr == ""
    assert finished.returncode == 0
