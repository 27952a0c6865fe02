from pathlib import Path

import pytest

from sepm.datasets.abstract_paintings import TABLE, read_abstract
from sepm.datasets.reader_parts import Reading
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from tests.sepm.datasets.trees import replace_text


def read(root: Path, ties: str = "first") -> Reading:
    return read_abstract(root, load_taxonomy("abstract"), ties=ties)


def labels(reading: Reading) -> dict[str, tuple[str, ...]]:
    return {question.question_id: question.labels for question in reading.questions}


def test_the_class_with_most_votes_is_the_label_and_ties_are_counted(abstract_root: Path):
    reading = read(abstract_root)
    assert labels(reading) == {
        "contentment/abstract_0001.jpg": ("contentment",),
        "awe/abstract_0004.jpg": ("awe",),
        "sadness/abstract_0281.jpg": ("sadness",),
    }
    assert [q.image for q in reading.questions][1] == "abstract_0004.jpg"
    assert reading.image_folder == abstract_root
    assert reading.counts == {"images": 3, "ties": 1}


def test_the_votes_go_along_in_the_order_of_the_columns(abstract_root: Path):
    votes = read(abstract_root).questions[1].votes
    assert [name for name, vote in votes if vote == 3] == ["awe", "excitement"]
    assert sum(vote for _, vote in votes) == 7
    assert len(votes) == 8


def test_any_of_the_tied_classes_counts_when_asked(abstract_root: Path):
    assert labels(read(abstract_root, "any"))["awe/abstract_0004.jpg"] == ("awe", "excitement")


def test_a_table_without_quotes_is_the_same(abstract_root: Path):
    quoted = read(abstract_root).questions
    replace_text(abstract_root / TABLE, "'", "")
    replace_text(abstract_root / TABLE, "\n", "\r\n")
    assert read(abstract_root).questions == quoted


def test_the_first_of_tied_classes_is_that_of_the_tables_columns(abstract_root: Path):
    for old, new in (("'Awe'", "X"), ("'Excitement'", "'Awe'"), ("X", "'Excitement'")):
        replace_text(abstract_root / TABLE, old, new)
    assert "excitement/abstract_0004.jpg" in labels(read(abstract_root))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",", ";", r":1: header .* names 0 classes; expected an empty cell and, separated by comm"),
        ("'Awe'", "'Aew'", r":1: unknown class 'Aew'; did you mean 'awe'\?"),
        ("'Awe',", "", ":1: header .* names 7 classes"),
        ("'Awe'", "'Fear'", ":1: header .* names 8 classes; expected .* each of"),
        ("0,0,3,0,0,3,0,1", "0,0,3,0,0,3,0", ":3: 8 cells; expected 9"),
        ("0,0,3,0,0,3,0,1", "0,0,3,0,0,three,0,1", ":3: 'three' is not a number of votes"),
        ("abstract_0004.jpg", "abstract_0001.jpg", ":3: image 'abstract_0001.jpg' is on line 2"),
        ("abstract_0004.jpg", "abstract_0005.jpg", ":3: no such image"),
        ("abstract_0004.jpg", "../abstract_0001.jpg", ":3: image '../abstract_0001.jpg'"),
    ],
)
def test_a_wrong_table_is_told(abstract_root: Path, old: str, new: str, message: str):
    replace_text(abstract_root / TABLE, old, new)
    with pytest.raises(InputError, match=rf"ABSTRACT_groundTruth\.csv{message}"):
        read(abstract_root)


def test_a_table_without_rows_is_told(abstract_root: Path):
    (abstract_root / TABLE).write_text("\n")
    with pytest.raises(InputError, match="expected a header and a row for each image"):
        read(abstract_root)


def test_a_folder_without_the_table_is_told_with_what_to_do(tmp_path: Path):
    with pytest.raises(InputError, match=r"no such .*; unpack testImages_abstract\.zip"):
        read(tmp_path)
