"""Small trees in the formats of the data sets; nothing in them is any data set's own."""

import json
from pathlib import Path

import pytest

from tests.sepm.datasets.trees import write_image


@pytest.fixture
def emoset_root(tmp_path: Path) -> Path:
    """EmoSet-118K: rows of 3 elements and CRLF in test.json, of 4 elements in val.json."""
    root = tmp_path / "EmoSet-118K"
    names = ("awe/awe_00007", "sadness/sadness_00001", "awe/awe_00002")
    for name in names:
        write_image(root / "image" / f"{name}.jpg")
    three = [[n.split("/")[0], f"image/{n}.jpg", f"annotation/{n}.json"] for n in names]
    four = [[row[0], row[1].split("/")[2][:-4], *row[1:]] for row in three[:2]]
    text = json.dumps(three, indent=1).replace("\n", "\r\n")
    (root / "test.json").write_bytes(text.encode())
    (root / "val.json").write_text(json.dumps(four))
    return root


@pytest.fixture
def emotion6_root(tmp_path: Path) -> Path:
    """Emotion6: bracketed header with blanks; a tie, a disagreement and a neutral image."""
    root = tmp_path / "Emotion6"
    classes = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
    columns = ["image_filename", "valence", "arousal", *(f"prob. {c}" for c in classes)]
    header = "\t".join(f"[{column}]" for column in (*columns, "prob. neutral"))
    rows = [
        "surprise/1.jpg\t5\t4\t0\t0\t0\t0.233333\t0\t0.233333\t0.533333",
        "sadness/10.jpg\t3\t4\t0\t0\t0.322222\t0\t0.305556\t0\t0.372222",
        "anger/2.jpg\t2\t6\t0.9\t0\t0\t0\t0.1\t0\t0",
        "sadness/9.jpg\t5\t2\t0\t0\t0\t0\t0\t0\t1",
        "joy/1.jpg\t8\t5\t0\t0\t0\t1\t0\t0\t0",
    ]
    for row in rows:
        write_image(root / "images" / row.split("\t")[0])
    (root / "images" / ".DS_Store").write_text("")
    (root / "ground_truth.txt").write_text("\n".join([header, *rows]) + "\n")
    return root


@pytest.fixture
def webemo_root(tmp_path: Path) -> Path:
    """WebEmo: one image under three labels, one image that could not be fetched, mixed folders."""
    root = tmp_path / "WEBEmo"
    address = "https://as2.example.net/jpg/00/11"
    rows = [
        f"{address}/220_F_1_aa.jpg 0",
        f"{address}/220_F_1_aa.jpg 12",
        f"{address}/220_F_1_aa.jpg 10",
        f"{address}/220_F_2_bb.jpg 24",
        f"{address}/220_F_3_cc.jpg 22",
    ]
    root.mkdir()
    (root / "test25.txt").write_bytes("\r\n".join(rows).encode())
    write_image(root / "images" / "test25" / "0" / "220_F_1_aa.jpg")
    write_image(root / "elsewhere" / "220_F_3_cc.jpg")
    return root


@pytest.fixture
def abstract_root(tmp_path: Path) -> Path:
    """Abstract: single quotes, an empty header cell, gaps in the numbers, 9 against 13, a tie."""
    root = tmp_path / "testImages_abstract"
    words = ("Amusement", "Anger", "Awe", "Content", "Disgust", "Excitement", "Fear", "Sad")
    rows = [
        "'abstract_0001.jpg',9,0,0,13,0,0,0,0",
        "'abstract_0004.jpg',0,0,3,0,0,3,0,1",
        "'abstract_0281.jpg',0,0,0,0,0,0,0,5",
    ]
    for row in rows:
        write_image(root / row.split("'")[1])
    header = ",".join(["", *(f"'{word}'" for word in words)])
    (root / "ABSTRACT_groundTruth.csv").write_text("\n".join([header, *rows]))
    return root


@pytest.fixture
def artphoto_root(tmp_path: Path) -> Path:
    """ArtPhoto: names that begin with a class, or with the word of its option."""
    root = tmp_path / "testImages_artphoto"
    for name in ("sad_0002.jpg", "amusement_0001.jpg", "content_0003.jpg", "contentment_0004.jpg"):
        write_image(root / name)
    return root


@pytest.fixture
def fi_root(tmp_path: Path) -> Path:
    """FI: a folder for each class."""
    for name in ("awe/7.jpg", "sadness/3.jpg"):
        write_image(tmp_path / "FI" / name)
    return tmp_path / "FI"
