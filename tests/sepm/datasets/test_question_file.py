import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sepm.datasets.question_file import (
    Question,
    read_question_file,
    scan_questions,
    write_questions,
)
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError

EMOSET = load_taxonomy("emoset")
GOOD = {"question_id": "awe/a.jpg", "image": "awe/a.jpg"}


def read(tmp_path: Path, *rows: Mapping[str, object] | str) -> list[Question]:
    """The questions of a file of these rows; `tmp_path/image` is the image folder."""
    path = tmp_path / "stage_1.jsonl"
    (tmp_path / "image").mkdir(exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_question_file(path, EMOSET, tmp_path / "image").questions


def test_the_released_codes_row_is_read_as_it_is(tmp_path: Path):
    row = {"question_id": "fear/x.jpg", "image": "fear/x.jpg", "text": "Q?", "category": "fear"}
    assert read(tmp_path, row) == [Question("fear/x.jpg", "fear/x.jpg", "fear", "Q?", 1)]


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ({"question_id": "sadness/sub/x.jpg"}, ("sadness",)),
        ({"question_id": "photos/a.jpg", "category": "anger"}, ("anger",)),
        ({"category": "fear", "categories": ["fear", "awe"]}, ("fear", "awe")),
        ({"category": "awe", "categories": ["awe", "fear"]}, ("awe", "fear")),
    ],
)
def test_the_label_is_category_or_the_beginning_of_question_id_and_tied_ones_count(
    tmp_path: Path, row: dict[str, object], labels: tuple[str, ...]
):
    assert read(tmp_path, {**GOOD, **row})[0].labels == labels


def test_null_is_as_if_absent_for_text_and_category(tmp_path: Path):
    question = read(tmp_path, {**GOOD, "text": None, "category": None})[0]
    assert (question.text, question.label) == (None, "awe")


def test_what_is_written_is_read_back(tmp_path: Path):
    questions = [
        Question("awe/ä.jpg", "awe/ä.jpg", "awe", "line\nline\u2028line", 1),
        Question("awe/b.jpg", "b.jpg", "awe", None, 2, ("fear", "sadness")),
        Question("awe/c.jpg", "c.jpg", "awe", None, 3, votes=(("fear", 0.25), ("awe", 3.0))),
    ]
    path = tmp_path / "new" / "q.jsonl"
    write_questions(path, questions)
    assert read_question_file(path, EMOSET, tmp_path).questions == questions
    assert "ä" in path.read_text(encoding="utf-8")
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{'question_id': 1}", "not JSON"),
        ('{"question_id": "awe/a.jpg"', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["awe"]', "a JSON list; expected one JSON object a line"),
        ({"image": "a.jpg"}, "field 'question_id' is missing"),
        ({"question_id": "awe/a.jpg"}, "field 'image' is missing"),
        ({**GOOD, "question_id": 7}, "field 'question_id' is 7; expected a string"),
        ({**GOOD, "image": None}, "field 'image' is None; expected a string"),
        ({**GOOD, "image": ""}, "field 'image' is empty"),
        ({**GOOD, "text": ["x"]}, "field 'text' is ['x']; expected a string"),
        ({**GOOD, "category": 3}, "field 'category' is 3; expected a string"),
        ({**GOOD, "text": "\ud800"}, "field 'text' holds half a surrogate pair"),
        ({**GOOD, "category": "angre"}, "unknown class 'angre'; did you mean 'anger'?"),
        ({**GOOD, "category": "Content"}, "did you mean 'contentment'?"),
        ({**GOOD, "question_id": "00001.jpg"}, "unknown class '00001.jpg'"),
        ({**GOOD, "categories": "awe"}, "expected a list of class names"),
        ({**GOOD, "category": "awe", "categories": ["fear"]}, "expected `category` to be the fir"),
        ({**GOOD, "category": "awe", "categories": ["awe", "fera"]}, "unknown class 'fera'"),
        ({**GOOD, "votes": [1]}, "field 'votes' is [1]; expected the votes of each class"),
        ({**GOOD, "votes": {"fera": 1}}, "field 'votes': unknown class 'fera'; did you mean 'fear"),
        ({**GOOD, "votes": {"fear": -1}}, "field 'votes' gives 'fear' -1; expected a number of 0"),
        ({**GOOD, "votes": {"fear": True}}, "field 'votes' gives 'fear' True"),
        ({**GOOD, "votes": {"fear": "2"}}, "field 'votes' gives 'fear' '2'"),
        ({**GOOD, "votes": {"fear": float("nan")}}, "field 'votes' gives 'fear' nan"),
        ({**GOOD, "votes": {"fear": 10**400}}, "field 'votes' gives 'fear' 1000"),
        ({**GOOD, "votes": {"fear": 0}}, "field 'votes' holds no vote"),
        ({**GOOD, "votes": {}}, "field 'votes' holds no vote"),
        ({**GOOD, "image": "/etc/a.jpg"}, "image '/etc/a.jpg' is absolute"),
        ({**GOOD, "image": "C:\\a.jpg"}, "is absolute"),
        ({**GOOD, "image": "a\0.jpg"}, "holds a null character"),
        ({**GOOD, "image": "../a.jpg"}, "points outside the image folder"),
        ({**GOOD, "image": "awe/../../image2/a.jpg"}, "points outside the image folder"),
        ({**GOOD, "image": "awe/../fear/a.jpg"}, "points outside the image folder, or could"),
        ({**GOOD, "image": "awe\\..\\..\\a.jpg"}, "points outside the image folder"),
        ({**GOOD, "image": "awe\\a.jpg"}, "expected '/' between folders"),
        ({**GOOD, "category": "anger"}, "'awe', which the released scorer takes for the label"),
        ({**GOOD, "question_id": "awe/a\0"}, "holds a null character"),
        ({**GOOD, "image": "a" * 100_000}, "has 100,000 characters; expected at most 4,096"),
        ({**GOOD, "category": "a" * 100_000}, "has 100,000 characters"),
        ({**GOOD, "category": "awe", "categories": ["awe", "a" * 100_000]}, "a list of class na"),
        ('{"question_id": "awe/a", "image": "a", "image": "b"}', "field 'image' stands twice"),
        ('{"question_id": "awe/a", "image": "a", "x": {"y": 1, "y": 1}}', "'y' stands twice"),
        ('{"question_id": "awe/a", "image": "a", "x": ' + "1" * 5000 + "}", "4300 digits"),
    ],
)
def test_a_wrong_row_is_told_with_file_and_line(
    tmp_path: Path, row: Mapping[str, object] | str, message: str
):
    with pytest.raises(InputError) as raised:
        read(tmp_path, {"question_id": "fear/1", "image": "1"}, row)
    assert str(raised.value).startswith(f"{tmp_path / 'stage_1.jsonl'}:2: ")
    assert message in str(raised.value)


def test_a_link_in_the_image_folder_may_lead_out_of_it_as_those_of_the_hubs_cache(tmp_path: Path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "awe").symlink_to(tmp_path)
    assert read(tmp_path, GOOD)[0].image == "awe/a.jpg"


def test_a_backslash_that_is_part_of_a_files_name_stays(tmp_path: Path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "a\\b.jpg").write_text("")
    assert read(tmp_path, {**GOOD, "image": "a\\b.jpg"})[0].image == "a\\b.jpg"


def test_a_class_is_the_same_however_its_accents_are_written(tmp_path: Path):
    awe = replace(EMOSET.classes[1], name="öde")
    taxonomy = replace(EMOSET, classes=(EMOSET.classes[0], awe, *EMOSET.classes[2:]))
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question_id": "o\u0308de/1", "image": "1"}))
    assert read_question_file(path, taxonomy, tmp_path).questions[0].label == "öde"


def test_an_image_folder_that_is_a_symbolic_link_is_followed(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "image").symlink_to(tmp_path / "real")
    assert len(read(tmp_path, GOOD)) == 1


def test_a_duplicate_question_id_names_both_lines(tmp_path: Path):
    with pytest.raises(InputError, match=r":3: question_id 'awe/a.jpg' already stands on line 1"):
        read(tmp_path, GOOD, {"question_id": "fear/1", "image": "1"}, GOOD)


def test_all_wrong_rows_are_told_at_once(tmp_path: Path):
    with pytest.raises(InputError) as raised:
        read(tmp_path, "{", GOOD, "[]", {**GOOD, "question_id": "joy/1", "image": "/a"})
    lines = [line.split(".jsonl:")[1].split(":")[0] for line in str(raised.value).split("\n")]
    assert lines == ["1", "3", "4", "4"]


def test_good_rows_are_found_beside_wrong_ones(tmp_path: Path):
    path = tmp_path / "q.jsonl"
    path.write_text("{\n" + json.dumps(GOOD))
    questions, problems = scan_questions(path, EMOSET, tmp_path)
    assert [q.line for q in questions] == [2]
    assert [p.line for p in problems] == [1]


@pytest.mark.parametrize("content", ["", "\n \r\n"])
def test_an_empty_file_is_told(tmp_path: Path, content: str):
    with pytest.raises(InputError, match="no questions in it"):
        read(tmp_path, content)


def test_an_image_folder_that_is_not_there_is_told(tmp_path: Path):
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(GOOD))
    with pytest.raises(InputError, match=r"image folder .*absent. is not a folder"):
        read_question_file(path, EMOSET, tmp_path / "absent")
