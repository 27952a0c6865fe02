from pathlib import Path

import pytest

from sepm.datasets.artphoto import read_artphoto
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from tests.sepm.datasets.trees import write_image

ARTPHOTO = load_taxonomy("artphoto")


def test_the_label_is_what_a_files_name_begins_with(artphoto_root: Path):
    reading = read_artphoto(artphoto_root, ARTPHOTO)
    assert [(q.question_id, q.image) for q in reading.questions] == [
        ("amusement/amusement_0001.jpg", "amusement_0001.jpg"),
        ("contentment/content_0003.jpg", "content_0003.jpg"),
        ("contentment/contentment_0004.jpg", "contentment_0004.jpg"),
        ("sadness/sad_0002.jpg", "sad_0002.jpg"),
    ]


def test_every_name_that_begins_with_no_class_is_told(artphoto_root: Path):
    for name in ("joy_1.jpg", "fearful_2.jpg"):
        write_image(artphoto_root / name)
    with pytest.raises(InputError, match=r"unknown class 'fearful'; did you mean 'fear'") as told:
        read_artphoto(artphoto_root, ARTPHOTO)
    assert "unknown class 'joy'" in str(told.value)


def test_a_folder_without_an_image_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="no image; unpack"):
        read_artphoto(tmp_path, ARTPHOTO)
