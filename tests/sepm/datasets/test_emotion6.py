from pathlib import Path

import pytest

from sepm.datasets.emotion6 import read_emotion6
from sepm.datasets.reader_parts import Reading
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from tests.sepm.datasets.trees import replace_text

EMOTION6 = load_taxonomy("emotion6")


def read(
    root: Path, split: object = None, label: str = "folder", ties: str | None = None
) -> Reading:
    split = None if split is None else str(split)
    return read_emotion6(root, EMOTION6, split=split, label=label, ties=ties)


def labels(reading: Reading) -> dict[str, tuple[str, ...]]:
    return {question.image: question.labels for question in reading.questions}


def test_the_folder_is_the_label_and_numbers_are_in_their_order(emotion6_root: Path):
    reading = read(emotion6_root)
    assert [(q.question_id, q.label) for q in reading.questions] == [
        ("anger/2.jpg", "anger"),
        ("joy/1.jpg", "joy"),
        ("sadness/9.jpg", "sadness"),
        ("sadness/10.jpg", "sadness"),
        ("surprise/1.jpg", "surprise"),
    ]
    assert reading.image_folder == emotion6_root / "images"


def test_a_list_chooses_and_orders_the_images(emotion6_root: Path, tmp_path: Path):
    split = tmp_path / "testing.txt"
    split.write_bytes(b"sadness/10.jpg\r\nanger/2.jpg\r\n")
    reading = read(emotion6_root, split)
    assert [(q.image, q.line) for q in reading.questions] == [
        ("sadness/10.jpg", 1),
        ("anger/2.jpg", 2),
    ]
    assert reading.inputs == (split,)


def test_a_list_of_emotionroi_is_known_by_its_name(emotion6_root: Path):
    lists = emotion6_root / "training_testing_split"
    lists.mkdir()
    (lists / "testing.txt").write_text("joy/1.jpg\n")
    reading = read(emotion6_root, "testing")
    assert [q.image for q in reading.questions] == ["joy/1.jpg"]
    assert reading.inputs == (lists / "testing.txt",)


def test_the_highest_vote_is_the_label_when_asked_and_begins_the_question_id(emotion6_root: Path):
    reading = read(emotion6_root, label="votes")
    assert labels(reading) == {
        "anger/2.jpg": ("anger",),
        "joy/1.jpg": ("joy",),
        "sadness/10.jpg": ("fear",),
        "surprise/1.jpg": ("joy",),
    }
    ids = [q.question_id for q in reading.questions if q.label == "fear"]
    assert ids == ["fear/sadness/10.jpg"]
    counts = {"images": 5, "ties": 1, "neutral_highest": 2, "only_neutral": 1}
    assert reading.counts == counts


def test_votes_for_the_classes_go_along_where_they_are_the_label(emotion6_root: Path):
    votes = {q.image: dict(q.votes) for q in read(emotion6_root, label="votes").questions}
    expected = {"anger": 0, "disgust": 0, "fear": 0.322222, "joy": 0, "sadness": 0.305556}
    assert votes["sadness/10.jpg"] == expected | {"surprise": 0}  # neutral is no class
    assert not any(q.votes for q in read(emotion6_root).questions)


@pytest.mark.parametrize(("ties", "expected"), [("drop", None), ("any", ("joy", "surprise"))])
def test_ties_are_resolved_as_asked(
    emotion6_root: Path, ties: str, expected: tuple[str, ...] | None
):
    found = labels(read(emotion6_root, label="votes", ties=ties))
    assert found.get("surprise/1.jpg") == expected


def test_votes_of_images_that_a_list_leaves_out_need_no_image(emotion6_root: Path, tmp_path: Path):
    split = tmp_path / "testing.txt"
    split.write_text("sadness/10.jpg\n")
    (emotion6_root / "images" / "anger" / "2.jpg").unlink()
    assert labels(read(emotion6_root, split, "votes")) == {"sadness/10.jpg": ("fear",)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("joy/7.jpg", "no such image"),
        ("jov/1.jpg", "unknown class 'jov'; did you mean 'joy'?"),
        ("joy\\1.jpg", "expected <class>/<N>.jpg alone"),
        ("images/joy/1.jpg", "expected <class>/<N>.jpg alone"),
        ("joy/1.jpg 3", "no such image"),
        ("joy/..", "expected <class>/<N>.jpg alone"),
        ("anger/2.jpg", "'anger/2.jpg' is on line 1 already"),
    ],
)
def test_a_wrong_line_of_a_list_is_told(
    emotion6_root: Path, tmp_path: Path, line: str, message: str
):
    split = tmp_path / "testing.txt"
    split.write_text(f"anger/2.jpg\n{line}\n")
    with pytest.raises(InputError) as raised:
        read(emotion6_root, split)
    assert str(raised.value).startswith(f"{split}:2: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\t", ",", r":1: no column \[image_filename\] among 1; .* separated by tabs"),
        ("[prob. joy]", "[prob. love]", r":1: no column \[prob. joy\] among 10"),
        ("joy/1.jpg\t8\t5", "joy/1.jpg 8 5", ":6: 8 cells; expected 10, separated by tabs"),
        ("0.9\t0", "0.9\tx", ":4: 'x' is not a number of votes"),
        ("joy/1.jpg", "anger/2.jpg", ":6: image 'anger/2.jpg' is on line 4 already"),
        ("joy/1.jpg", "joy/3.jpg", r":6: no such image below images/: 'joy/3.jpg'"),
    ],
)
def test_a_wrong_vote_table_is_told(emotion6_root: Path, old: str, new: str, message: str):
    replace_text(emotion6_root / "ground_truth.txt", old, new)
    with pytest.raises(InputError, match=rf"ground_truth\.txt{message}"):
        read(emotion6_root, label="votes")


def test_a_listed_image_without_votes_is_told_at_its_line(emotion6_root: Path, tmp_path: Path):
    replace_text(emotion6_root / "ground_truth.txt", "joy/1.jpg", "joy/2.jpg")
    split = tmp_path / "testing.txt"
    split.write_text("anger/2.jpg\njoy/1.jpg\n")
    with pytest.raises(InputError, match=r"testing\.txt:2: image 'joy/1\.jpg' has no row in"):
        read(emotion6_root, split, "votes")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "drop"}, "--ties belongs to --label votes"),
        ({"label": "vote"}, r"did you mean 'votes'\? available: folder, votes"),
        ({"split": "test"}, "split 'test' is no path; no split was published"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    emotion6_root: Path, options: dict[str, str], message: str
):
    with pytest.raises(InputError, match=message):
        read(emotion6_root, **options)
