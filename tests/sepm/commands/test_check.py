"""`sepm check` as its user meets it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from sepm.cli import main


class Checked(NamedTuple):
    status: int
    out: str
    err: str


Check = Callable[..., Checked]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command over `q.jsonl` and a folder of a good image and a page under an image's name."""
    folder = tmp_path / "image" / "awe"
    folder.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(folder / "good.jpg")
    (folder / "page.jpg").write_text("<html>404")
    file = str(tmp_path / "q.jsonl")
    return ["check", "--question-file", file, "--image-folder", str(folder.parent)]


@pytest.fixture
def check(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """A function that checks a question file of rows: JSON, or the path of an image."""

    def run(*rows: str, options: str = "") -> Checked:
        lines = [row if row[:1] in "{[" else json.dumps(of_image(row)) for row in rows]
        (tmp_path / "q.jsonl").write_text("\n".join(lines))
        status = main([*words, *options.split()])
        shown = capsys.readouterr()
        return Checked(status, shown.out, shown.err)

    return run


def of_image(path: str) -> dict[str, str]:
    return {"question_id": path, "image": path}


def test_nothing_wrong_is_said_with_status_0(check: Check):
    status, text, _ = check("awe/good.jpg")
    assert status == 0
    assert text.endswith("nothing is wrong\n")
    assert "1 good rows over 1 images (amusement 0, anger 0, awe 1" in text


def test_every_wrong_row_and_image_is_listed_with_status_2(check: Check, tmp_path: Path):
    rows = ("{", "awe/page.jpg", "awe/good.jpg", "fera/x.jpg", "awe/absent.jpg")
    status, text, _ = check(*rows, '{"question_id": "awe/2", "image": "awe/page.jpg"}')
    lines = text.split("\n")
    assert status == 2
    assert [line.split(": ")[0] for line in lines[:5]] == [
        f"{tmp_path}/q.jsonl:{n}" for n in (1, 4, 2, 5, 6)
    ]
    assert "unknown class 'fera'; did you mean 'fear'?" in lines[1]
    assert lines[2].endswith("not an image that PIL can read (9 bytes)")
    assert lines[3].endswith("no such file")
    assert lines[6] == "NOT USABLE AS IT IS"


def test_json_tells_the_same_to_a_program(check: Check):
    status, text, _ = check("awe/page.jpg", "[]", options="--json")
    report = json.loads(text)
    assert (status, report["ok"]) == (2, False)
    problem = "a JSON list; expected one JSON object a line"
    assert report["bad_rows"] == [{"line": 2, "problem": problem}]
    reason = "not an image that PIL can read (9 bytes)"
    assert report["bad_images"] == [{"line": 1, **of_image("awe/page.jpg"), "reason": reason}]


def test_more_wrong_rows_than_an_error_shows_are_all_listed(check: Check):
    assert "q.jsonl:50: not JSON" in check(*["{"] * 50).out


def test_labels_are_those_of_the_dataset_named(check: Check, tmp_path: Path):
    (tmp_path / "image/awe").rename(tmp_path / "image/joy")
    assert check("joy/good.jpg", options="--workers 1").status == 2
    assert check("joy/good.jpg", options="--workers 1 --dataset emotion6").status == 0


def test_a_file_of_another_task_is_told_to_be_one_and_a_wrong_class_among_good_ones_is_not(
    check: Check,
):
    hint = "2 of 3 rows have a class that emoset does not know"
    assert check("joy/1.jpg", "joy/2.jpg", "awe/good.jpg").out.count(hint) == 1
    assert "does not know" not in check("joy/1.jpg", "awe/good.jpg").out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "q.jsonl: no questions in it"),
        ("--workers 0 --question-file {good}", "workers must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_checked_at_all_is_status_2(
    check: Check, tmp_path: Path, options: str, said: str
):
    good = tmp_path / "good.jsonl"
    good.write_text(json.dumps(of_image("awe/good.jpg")))
    status, out, err = check("", options=options.format(good=good))
    assert (status, out) == (2, "")
    assert said in err


def test_torch_is_never_imported(check: Check, words: list[str]):
    check("awe/good.jpg")
    program = (
        "import sys\n"
        "from sepm.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
