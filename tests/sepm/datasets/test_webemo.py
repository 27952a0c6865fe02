from pathlib import Path

import pytest

from sepm.datasets.reader_parts import Reading
from sepm.datasets.tasks import load_taxonomy
from sepm.datasets.webemo import bundled_triples, check_category_file, read_list, read_webemo
from sepm.errors import InputError
from tests.sepm.datasets.trees import write_image


def read(root: Path, task: str = "webemo25", split: str = "test") -> Reading:
    return read_webemo(root, load_taxonomy(task), split=split)


def ids(reading: Reading) -> list[str]:
    return [question.question_id for question in reading.questions]


def category_text() -> str:
    """The class table in the published file's form: comment, CRLF, tabs, no new line at the end."""
    triples = ",\r\n\t".join(str(triple) for triple in bundled_triples())
    return f"# fine, middle, sign = below\r\nlabels=[\r\n\t{triples}]"


def test_a_row_is_a_label_with_a_file_so_one_image_may_stand_under_three(webemo_root: Path):
    reading = read(webemo_root)
    assert [(q.question_id, q.image, q.label) for q in reading.questions] == [
        ("affection/220_F_1_aa.jpg", "images/test25/0/220_F_1_aa.jpg", "affection"),
        ("lust/220_F_1_aa.jpg", "images/test25/0/220_F_1_aa.jpg", "lust"),
        ("horror/220_F_1_aa.jpg", "images/test25/0/220_F_1_aa.jpg", "horror"),
        ("surprise/220_F_3_cc.jpg", "elsewhere/220_F_3_cc.jpg", "surprise"),
    ]
    assert reading.image_folder == webemo_root


def test_images_that_could_not_be_fetched_are_counted_and_left_out(webemo_root: Path):
    reading = read(webemo_root)
    assert reading.counts == {
        "rows": 5,
        "missing": 1,
        "images": 2,
        "images_in_several_rows": 1,
        "images_of_several_classes": 1,
    }
    assert reading.notes == (f"1 of 5 rows have no image below {webemo_root}; left out",)


def test_two_fine_classes_of_one_middle_class_stay_two_rows(webemo_root: Path):
    reading = read(webemo_root, "webemo7")
    assert ids(reading) == [
        "love/affection/220_F_1_aa.jpg",
        "love/lust/220_F_1_aa.jpg",
        "fear/horror/220_F_1_aa.jpg",
        "surprise/surprise/220_F_3_cc.jpg",
    ]
    assert [q.label for q in reading.questions] == ["love", "love", "fear", "surprise"]


def test_two_classes_are_the_signs_and_fine_classes_stay_rows(webemo_root: Path):
    reading = read(webemo_root, "webemo2")
    assert ids(reading) == [
        "positive/affection/220_F_1_aa.jpg",
        "positive/lust/220_F_1_aa.jpg",
        "negative/horror/220_F_1_aa.jpg",
        "positive/surprise/220_F_3_cc.jpg",
    ]
    assert reading.counts["images_of_several_classes"] == 1


def test_folders_of_two_classes_are_read_where_there_is_no_list(tmp_path: Path):
    for name in ("positive/1.jpg", "negative/1.jpg"):
        write_image(tmp_path / "test" / name)
    reading = read(tmp_path, "webemo2")
    assert sorted(q.label for q in reading.questions) == ["negative", "positive"]


def test_a_split_may_be_a_list_of_ones_own(webemo_root: Path, tmp_path: Path):
    some = tmp_path / "some.txt"
    some.write_text("220_F_3_cc.jpg 22\n")
    assert ids(read(webemo_root, split=str(some))) == ["surprise/220_F_3_cc.jpg"]


def test_of_several_copies_of_an_image_the_first_by_name_is_taken(webemo_root: Path):
    for number in range(30, 0, -1):
        write_image(webemo_root / "copies" / f"{number:02}" / "220_F_2_bb.jpg")
    images = [question.image for question in read(webemo_root).questions]
    assert "copies/01/220_F_2_bb.jpg" in images


def test_numbered_folders_are_read_where_there_is_no_list(webemo_root: Path):
    (webemo_root / "test25.txt").unlink()
    write_image(webemo_root / "images" / "test25" / "12" / "220_F_1_aa.jpg")
    reading = read(webemo_root)
    assert ids(reading) == ["affection/220_F_1_aa.jpg", "lust/220_F_1_aa.jpg"]
    assert [q.image for q in reading.questions] == ["0/220_F_1_aa.jpg", "12/220_F_1_aa.jpg"]
    assert reading.image_folder == webemo_root / "images" / "test25"
    assert reading.notes


def test_named_folders_are_read_where_there_is_no_list(tmp_path: Path):
    write_image(tmp_path / "test" / "zest" / "a.jpg")
    write_image(tmp_path / "test" / "irritabilty" / "a.jpg")
    assert ids(read(tmp_path)) == ["irritabilty/a.jpg", "zest/a.jpg"]
    assert ids(read(tmp_path, "webemo7")) == ["anger/irritabilty/a.jpg", "joy/zest/a.jpg"]


def test_folders_named_by_middle_class_are_read_for_seven_classes(tmp_path: Path):
    write_image(tmp_path / "test" / "love" / "a.jpg")
    assert ids(read(tmp_path, "webemo7", split=str(tmp_path / "test"))) == ["love/love/a.jpg"]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["test/love"], "unknown class 'love'"),  # a middle class
        (["test/25"], "25: unknown class '25'"),
        ([f"test25/{digit}" for digit in range(10)], "keeps only the last digit"),
    ],
)
def test_folders_that_name_no_fine_class_are_refused(
    tmp_path: Path, folders: list[str], message: str
):
    for folder in folders:
        write_image(tmp_path / folder / "a.jpg")
    with pytest.raises(InputError, match=message):
        read(tmp_path)


NO_ROWS = (
    *("https://a/b.jpg,3", "https://a/b.jpg\t3", "https://a/b c.jpg 3", "https://a/b.jpg"),
    *("https://a/b.jpg joy", "https://a/b.jpg -1", "https://a/ 3"),
)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        *((row, "expected <address> <label> with one blank") for row in NO_ROWS),
        ("https://a/b.jpg 25", "label 25; expected 0 to 24"),
        ("https://elsewhere/a.jpg 3", "'a.jpg' with label 3 is on line 1 already"),
    ],
)
def test_a_wrong_row_of_a_list_is_told(tmp_path: Path, row: str, message: str):
    path = tmp_path / "test25.txt"
    path.write_text(f"https://a/a.jpg 3\n{row}\n")
    with pytest.raises(InputError) as raised:
        read_list(path, 25)
    assert str(raised.value).startswith(f"{path}:2: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("\n", r"test25\.txt: empty"),
        ("https://a/a.jpg 3\n", r"none of the 1 images of .*test25\.txt is below it"),
    ],
)
def test_a_list_that_leads_to_no_image_is_told(tmp_path: Path, rows: str, message: str):
    (tmp_path / "test25.txt").write_text(rows)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_neither_list_nor_tree_is_told_with_what_was_looked_for(tmp_path: Path):
    with pytest.raises(InputError, match=r"no train split of WebEmo; looked for .*train25\.txt"):
        read(tmp_path, split="train")


def test_the_published_class_table_agrees_with_the_bundled_one(webemo_root: Path):
    path = webemo_root / "category.txt"
    path.write_bytes(category_text().encode())
    assert path in read(webemo_root).inputs


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("labels=", "names=", "no line begins 'labels='"),
        ("'zest', 'joy'", "'zest', 'love'", r":2: label 24 is \('zest', 'love', '\+'\); expected"),
        (",\r\n\t('zest', 'joy', '+')", "", ":2: expected a list of 25 triples"),
        ("'zest'", "open('hacked', 'w')", ":2: not a literal list"),
        ("'+')]", "'+'", ":2: not a literal list"),
    ],
)
def test_a_class_table_is_a_literal_that_must_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
):
    monkeypatch.chdir(tmp_path)
    assert old in category_text()
    path = tmp_path / "category.txt"
    path.write_bytes(category_text().replace(old, new).encode())
    with pytest.raises(InputError, match=rf"category\.txt.*{message}"):
        check_category_file(path, bundled_triples())
    assert list(tmp_path.iterdir()) == [path]
