import json
from pathlib import Path

import pytest

from sepm.datasets.emoset import json_elements, read_emoset
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError

EMOSET = load_taxonomy("emoset")


def write_rows(root: Path, *rows: object) -> None:
    (root / "test.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")


def test_rows_of_three_elements_and_crlf_are_read_in_order(emoset_root: Path):
    reading = read_emoset(emoset_root, EMOSET, split="test")
    assert [(q.question_id, q.label) for q in reading.questions] == [
        ("awe/awe_00007.jpg", "awe"),
        ("sadness/sadness_00001.jpg", "sadness"),
        ("awe/awe_00002.jpg", "awe"),
    ]
    assert reading.image_folder == emoset_root / "image"
    assert reading.inputs == (emoset_root / "test.json",)


def test_rows_of_four_elements_give_the_same(emoset_root: Path):
    three = read_emoset(emoset_root, EMOSET, split="test").questions[:2]
    four = read_emoset(emoset_root, EMOSET, split="val").questions
    assert [(q.question_id, q.image, q.label) for q in four] == [
        (q.question_id, q.image, q.label) for q in three
    ]


def test_a_split_may_be_a_file(emoset_root: Path, tmp_path: Path):
    some = tmp_path / "some.json"
    some.write_text('[["awe", "image/awe/awe_00002.jpg", "annotation/awe/awe_00002.json"]]')
    questions = read_emoset(emoset_root, EMOSET, split=str(some)).questions
    assert [q.image for q in questions] == ["awe/awe_00002.jpg"]


def test_elements_know_the_lines_that_they_begin_on(tmp_path: Path):
    path = tmp_path / "rows.json"
    path.write_bytes(b'[\r\n ["a",\r\n "b"],\r\n\r\n ["c"] , 5]\r\n')
    assert json_elements(path) == [(2, ["a", "b"]), (5, ["c"]), (5, 5)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["fera", "image/fera/a.jpg", "x"], "unknown class 'fera'; did you mean 'fear'?"),
        (["awe", "image/awe/absent.jpg", "x"], "no such image"),
        (["awe", "awe/awe_00002.jpg", "x"], "0 elements that begin 'image/'; expected one"),
        (["awe", "image/awe/a.jpg", "image/awe/a.jpg"], "2 elements that begin 'image/'"),
        (["awe", "image/fear/awe_00002.jpg", "x"], "expected image/awe/<file>"),
        (["awe", "image/awe/../awe_00002.jpg", "x"], "expected image/awe/<file>"),
        (["awe", "image/awe/awe_00002.jpg"], "expected 3 or 4 elements"),
        (["awe", "i", "image/awe/awe_00002.jpg", "x", "y"], "expected 3 or 4 elements"),
        ([1, "image/awe/awe_00002.jpg", "x"], "expected 3 or 4 elements"),
        ({"label": "awe"}, "expected 3 or 4 elements"),
        (["awe", "image/awe/awe_00007.jpg", "x"], "'awe/awe_00007.jpg' is on line 2 already"),
    ],
)
def test_a_wrong_row_is_told_with_file_and_line(emoset_root: Path, row: object, message: str):
    write_rows(emoset_root, ["awe", "image/awe/awe_00007.jpg", "x"], row)
    with pytest.raises(InputError) as raised:
        read_emoset(emoset_root, EMOSET, split="test")
    assert str(raised.value).startswith(f"{emoset_root / 'test.json'}:3: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"awe": []}', r"test\.json: expected a JSON list"),
        ("", r"test\.json:1: not JSON .*; expected a JSON list"),
        ('[\n["awe"],\n["awe"', r"test\.json:3: not JSON"),
        ('[\n["awe"]\n["awe"]]', r"test\.json:3: not JSON \(Expecting ','"),
        ('[\n["awe"],', r"test\.json:2: not JSON"),
    ],
)
def test_a_file_that_is_no_json_list_is_told(emoset_root: Path, text: str, message: str):
    (emoset_root / "test.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_emoset(emoset_root, EMOSET, split="test")


@pytest.mark.parametrize(
    ("root", "split", "message"),
    [
        (".", "test", r"image: no such .*; unpack EmoSet-118K\.zip"),
        ("EmoSet-118K", "tets", r"nor one of train, val, test; did you mean 'test'\?"),
        ("EmoSet-118K", "train", r"train\.json: no such file"),
    ],
)
def test_a_tree_or_split_that_is_not_there_is_told(
    emoset_root: Path, root: str, split: str, message: str
):
    with pytest.raises(InputError, match=message):
        read_emoset(emoset_root.parent / root, EMOSET, split=split)
