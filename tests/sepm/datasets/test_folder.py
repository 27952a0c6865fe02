import os
from dataclasses import replace
from pathlib import Path

import pytest

from sepm.datasets.folder import read_folder
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from tests.sepm.datasets.trees import write_image

EMOSET = load_taxonomy("emoset")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("fear/10.jpg", "fear/2.JPG", "awe/set/b.png", "awe/a.webp"):
        write_image(tmp_path / "photos" / name)
    return tmp_path / "photos"


def test_every_image_below_a_class_folder_is_a_question(tree: Path):
    reading = read_folder(tree, EMOSET)
    assert [(q.question_id, q.image, q.label) for q in reading.questions] == [
        ("awe/a.webp", "awe/a.webp", "awe"),
        ("awe/set/b.png", "awe/set/b.png", "awe"),
        ("fear/2.JPG", "fear/2.JPG", "fear"),
        ("fear/10.jpg", "fear/10.jpg", "fear"),
    ]
    assert reading.image_folder == tree


def test_classes_without_an_image_are_mentioned(tree: Path):
    assert read_folder(tree, EMOSET).notes == (
        "no image of amusement, anger, contentment, disgust, excitement, sadness",
    )


def test_other_files_are_counted_and_system_files_passed_over(tree: Path):
    (tree / "awe" / "notes.txt").write_text("")
    (tree / "awe" / ".DS_Store").write_text("")
    (tree / "__MACOSX").mkdir()
    (tree / "readme.txt").write_text("")
    assert read_folder(tree, EMOSET).counts == {"other_files": 1}


def test_a_folder_of_no_class_is_told_with_the_nearest(tree: Path):
    (tree / "Fear ").mkdir()
    with pytest.raises(InputError, match=r"unknown class 'Fear '; did you mean 'fear'\?"):
        read_folder(tree, EMOSET)


def test_a_class_folder_is_found_however_its_accents_are_written(tmp_path: Path):
    write_image(tmp_path / "o\u0308de" / "a.png")
    taxonomy = replace(
        EMOSET, classes=(replace(EMOSET.classes[0], name="öde"), *EMOSET.classes[1:])
    )
    (question,) = read_folder(tmp_path, taxonomy).questions
    assert (question.image, question.label) == ("o\u0308de/a.png", "öde")


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("photos/awe/set", "no image in a class folder; expected <class>/<image>"),
        ("absent", "absent: no such file or folder"),
        ("photos/awe/a.webp", "cannot be listed: Not a directory"),
    ],
)
def test_a_root_that_holds_no_class_folders_is_told(tree: Path, root: str, message: str):
    with pytest.raises(InputError, match=message):
        read_folder(tree.parent / root, EMOSET)


def test_a_file_name_that_is_not_utf8_is_told(tree: Path):
    (tree / "awe" / "a.webp").rename(tree / "awe" / os.fsdecode(b"caf\xe9.jpg"))
    with pytest.raises(InputError, match="is not UTF-8; rename the file"):
        read_folder(tree, EMOSET)
