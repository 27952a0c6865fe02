from pathlib import Path

import pytest

from sepm.datasets.abstract import read_abstract
from sepm.datasets.reading import Reading
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError

ABSTRACT = load_taxonomy("abstract")
TABLE = "ABSTRACT_groundTruth.csv"


def labels(reading: Reading) -> dict[str, tuple[str, ...]]:
    return {question.question_id: question.labels for question in reading.questions}


def test_the_class_with_most_votes_is_the_label(abstract_root: Path):
    reading = read_abstract(abstract_root, ABSTRACT, ties="first")
    assert labels(reading) == {
        "contentment/abstract_0001.jpg": ("contentment",),
        "awe/abstract_0004.jpg": ("awe",),
        "sadness/abstract_0281.jpg": ("sadness",),
    }
    assert [q.image for q in reading.questions][1] == "abstract_0004.jpg"
    assert reading.image_folder == abstract_root


def test_ties_are_counted(abstract_root: Path):
    reading = read_abstract(abstract_root, ABSTRACT, ties="first")
    assert reading.counts == {"images": 3, "ties": 1}


def test_tied_images_are_dropped_when_asked_and_still_counted(abstract_root: Path):
    reading = read_abstract(abstract_root, ABSTRACT, ties="drop")
    assert [q.label for q in reading.questions] == ["contentment", "sadness"]
    assert reading.counts == {"images": 3, "ties": 1}


def test_any_of_the_tied_classes_counts_when_asked(abstract_root: Path):
    reading = read_abstract(abstract_root, ABSTRACT, ties="any")
    assert labels(reading)["awe/abstract_0004.jpg"] == ("awe", "excitement")


def test_a_table_without_quotes_is_the_same(abstract_root: Path):
    quoted = read_abstract(abstract_root, ABSTRACT, ties="first").questions
    table = abstract_root / TABLE
    table.write_bytes(table.read_text().replace("'", "").replace("\n", "\r\n").encode())
    assert read_abstract(abstract_root, ABSTRACT, ties="first").questions == quoted


def test_the_first_of_tied_classes_is_that_of_the_tables_columns(abstract_root: Path):
    table = abstract_root / TABLE
    text = table.read_text().replace("'Awe'", "X").replace("'Excitement'", "'Awe'")
    table.write_text(text.replace("X", "'Excitement'"))
    reading = read_abstract(abstract_root, ABSTRACT, ties="first")
    assert "excitement/abstract_0004.jpg" in labels(reading)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",", ";", r":1: header .* names 0 classes; expected an empty cell and, separated by comm"),
        ("'Awe'", "'Aew'", r":1: unknown class 'Aew'; did you mean 'awe'\?"),
        ("'Awe',", "", ":1: header .* names 7 classes"),
        ("'Awe'", "'Fear'", ":1: header .* names 8 classes; expected .* each of"),
        ("0,0,3,0,0,3,0,1", "0,0,3,0,0,3,0", ":3: 8 cells; expected 9"),
        ("0,0,3,0,0,3,0,1", "0,0,3,0,0,three,0,1", ":3: 'three' is not a number of votes"),
        ("0,0,3,0,0,3,0,1", "0,0,0,0,0,0,0,0", ":3: no votes in this row"),
        ("0,0,3,0,0,3,0,1", ",,,,,,,", ":3: '' is not a number of votes"),
        ("abstract_0004.jpg", "abstract_0001.jpg", ":3: image 'abstract_0001.jpg'; .* only once"),
        ("abstract_0004.jpg", "abstract_0005.jpg", ":3: no such image"),
        ("abstract_0004.jpg", "../abstract_0001.jpg", ":3: image '../abstract_0001.jpg'"),
    ],
)
def test_a_wrong_table_is_told(abstract_root: Path, old: str, new: str, message: str):
    table = abstract_root / TABLE
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(InputError, match=rf"ABSTRACT_groundTruth\.csv{message}"):
        read_abstract(abstract_root, ABSTRACT, ties="first")


def test_a_table_without_rows_is_told(abstract_root: Path):
    (abstract_root / TABLE).write_text("\n")
    with pytest.raises(InputError, match="expected a header and a row for each image"):
        read_abstract(abstract_root, ABSTRACT, ties="first")


def test_a_folder_without_the_table_is_told_with_what_to_do(tmp_path: Path):
    with pytest.raises(InputError, match=r"no such .*; unpack testImages_abstract\.zip"):
        read_abstract(tmp_path, ABSTRACT, ties="first")


def test_an_unknown_tie_rule_is_told(abstract_root: Path):
    with pytest.raises(InputError, match="unknown tie rule 'last'"):
        read_abstract(abstract_root, ABSTRACT, ties="last")
