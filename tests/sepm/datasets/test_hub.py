"""Parquet files, as the hub holds data sets, made into images and questions; nothing is fetched."""

import hashlib
import json
import os
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.datasets import parquet
from sepm.datasets.files import file_sha256
from sepm.datasets.make_question_file import make_question_file
from sepm.datasets.question_file import read_question_file
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError

pa = pytest.importorskip("pyarrow", reason="the extra `hub` is not installed")
pq = pytest.importorskip("pyarrow.parquet")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Rows = list[dict[str, Any]]


def encoded(grey: int, kind: str = "PNG") -> bytes:
    content = BytesIO()
    Image.new("RGB", (4, 3), (grey, grey, grey)).save(content, kind)
    return content.getvalue()


def row(grey: int, emotion: str, label: int, kind: str = "PNG") -> dict[str, Any]:
    """A row as a mirror of EmoSet has it: names in `emotion`, a bare integer in `label`."""
    image = {"bytes": encoded(grey, kind), "path": f"{emotion}_{grey:05}.jpg"}
    return {"image": image, "emotion": emotion, "label": label}


ROWS = [row(10, "awe", 1), row(20, "fear", 6, "JPEG"), row(30, "sadness", 7), row(10, "awe", 1)]


def write_parquet(path: Path, rows: Rows, names: list[str] | None = None) -> Path:
    """A parquet file, with the names of `label` declared as `datasets` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        declared = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": declared})
    pq.write_table(table, path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A local copy: three different images of test in two files, one of train."""
    folder = tmp_path / "parquet"
    write_parquet(folder / "data/test-00000-of-00002.parquet", ROWS[:2])
    write_parquet(folder / "data/test-00001-of-00002.parquet", ROWS[2:])
    write_parquet(folder / "data/train-00000-of-00001.parquet", [row(40, "anger", 4)])
    return folder


def make(tmp_path: Path, files: Path | None, **options: Any) -> dict[str, Any]:
    """The manifest of a question file made of parquet files."""
    given = {"taxonomy": "emoset", "label_column": "emotion", **options}
    if files is not None:
        given["parquet"] = str(files)
    return make_question_file("hub", tmp_path / "images", given, tmp_path / "q.jsonl")


def named(grey: int, emotion: str, suffix: str = ".png", kind: str = "PNG") -> str:
    return f"{emotion}/{hashlib.sha256(encoded(grey, kind)).hexdigest()[:16]}{suffix}"


def test_images_keep_their_bytes_and_are_named_by_them(tmp_path: Path, files: Path) -> None:
    manifest = make(tmp_path, files, split="test")
    root = Path(manifest["image_folder"])
    questions = read_question_file(tmp_path / "q.jsonl", load_taxonomy("emoset"), root).questions
    expected = {
        named(10, "awe"): encoded(10),
        named(20, "fear", ".jpg", "JPEG"): encoded(20, "JPEG"),
        named(30, "sadness"): encoded(30),
    }
    assert {q.image: (root / q.image).read_bytes() for q in questions} == expected
    assert [q.question_id for q in questions] == list(expected)
    counts = {"rows": 4, "images": 3, "repeated_rows": 1, "images_of_several_classes": 0}
    assert manifest["counts"] == {**counts, "copies": 0}


def test_the_sums_are_those_of_the_images(tmp_path: Path, files: Path) -> None:
    root = Path(make(tmp_path, files)["image_folder"])
    lines = [line.split("  ") for line in (root / "SHA256SUMS").read_text().splitlines()]
    assert len(lines) == 4
    assert all(file_sha256(root / image) == sha256 for sha256, image in lines)


def test_the_manifest_tells_files_columns_and_names(tmp_path: Path, files: Path) -> None:
    names = ("0=amusement", "1=awe", "6=fear", "7=sadness")
    manifest = make(tmp_path, files, split="test", label_column="label", label_names=names)
    stored = json.loads((tmp_path / "q.manifest.json").read_text())
    assert stored["options"]["label_names"] == list(names)
    assert (stored["options"]["image_column"], stored["dataset"]) == ("image", "emoset")
    paths = sorted(files.glob("data/test-*"))
    assert stored["inputs"] == {str(path): file_sha256(path) for path in paths}
    assert manifest["classes"]["awe"] == 1


LABELS = ["amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"]
"""By the numbers of EmoSet's own `info.json`; its taxonomy here has another order."""


@pytest.mark.parametrize(("label_names", "declared"), [(LABELS, None), ((), LABELS)])
def test_integers_are_named_by_the_user_or_by_the_files(
    tmp_path: Path, label_names: list[str], declared: list[str] | None
) -> None:
    write_parquet(tmp_path / "p/a.parquet", ROWS, declared)
    options = {"label_column": "label", "label_names": tuple(label_names)}
    assert make(tmp_path, tmp_path / "p", **options)["classes"]["fear"] == 1


def test_labels_of_no_class_are_refused_and_all_told_before_an_image_is_written(
    tmp_path: Path, files: Path
) -> None:
    with pytest.raises(InputError) as told:
        make(tmp_path, files, split="test", label_column="label")
    assert re.search(r"no class: 1 \(2 rows\), 6 \(1 rows\), 7 \(1 rows\)", str(told.value))
    assert "--label-names" in str(told.value)
    names = ("1=awe", "6=feer")
    with pytest.raises(InputError, match=r"6 \(1 rows, named 'feer'\), 7 \(1 rows\)"):
        make(tmp_path, files, split="test", label_column="label", label_names=names)
    assert not (tmp_path / "images").exists()


def test_one_image_under_two_labels_is_two_questions(tmp_path: Path) -> None:
    write_parquet(tmp_path / "p/a.parquet", [row(10, "awe", 1), row(10, "fear", 6)])
    manifest = make(tmp_path, tmp_path / "p")
    assert manifest["n"] == 2
    assert manifest["counts"]["images_of_several_classes"] == 1


def test_an_image_that_is_there_is_not_written_again(tmp_path: Path, files: Path) -> None:
    first = make(tmp_path, files)
    cut_off, kept = (tmp_path / "images" / named(n, e) for n, e in ((10, "awe"), (30, "sadness")))
    os.utime(kept, (1, 1))
    cut_off.unlink()
    assert make(tmp_path, files) == first
    assert cut_off.read_bytes() == encoded(10)
    assert kept.stat().st_mtime == 1


def test_images_with_a_local_copy_have_its_path_and_id(tmp_path: Path, files: Path) -> None:
    copy = tmp_path / "EmoSet/image"
    for name, grey in (("awe/awe_00001.png", 10), ("other/again.png", 10), ("x/30.png", 30)):
        (copy / name).parent.mkdir(parents=True)
        (copy / name).write_bytes(encoded(grey))
    manifest = make(tmp_path, files, split="test", match_folder=str(copy))
    root = Path(manifest["image_folder"])
    questions = read_question_file(tmp_path / "q.jsonl", load_taxonomy("emoset"), root).questions
    jpeg = named(20, "fear", ".jpg", "JPEG")
    assert [(q.question_id, q.image) for q in questions] == [
        ("awe/awe_00001.png", "awe/awe_00001.png"),
        (jpeg, jpeg),
        ("sadness/x/30.png", "x/30.png"),
    ]
    assert (root / "awe/awe_00001.png").samefile(copy / "awe/awe_00001.png")
    assert manifest["counts"]["copies"] == 2
    assert manifest["notes"] == [f"1 questions are of images without a copy in {copy}"]
    assert make(tmp_path, files, split="test", match_folder=str(copy)) == manifest


def test_the_hubs_files_are_those_of_the_split_at_the_commit(
    tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    class Api:
        def list_repo_files(self, repo: str, *, revision: str, repo_type: str) -> list[str]:
            asked.append((repo, revision, repo_type))
            return [p.relative_to(files).as_posix() for p in files.rglob("*.*")] + ["README.md"]

    def download(repo: str, name: str, *, revision: str, repo_type: str) -> str:
        asked.append((repo, revision, repo_type, name))
        return str(files / name)

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    manifest = make(tmp_path, None, repo="somebody/EmoSet", revision=COMMIT, split="train")
    assert manifest["classes"]["anger"] == manifest["n"] == 1
    one = ("somebody/EmoSet", COMMIT, "dataset")
    assert asked == [one, (*one, "data/train-00000-of-00001.parquet")]
    assert manifest["options"]["revision"] == COMMIT


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"repo": "a/b", "revision": COMMIT, "parquet": "p"}, "and not both"),
        ({}, "give --repo"),
        ({"repo": "a/b", "revision": "main"}, "--revision is main; give the 40 digits"),
        ({"repo": "a/b"}, "--revision is not given"),
        ({"parquet": "absent"}, "no such folder"),
    ],
)
def test_where_the_files_are_must_be_told_once_and_exactly(
    tmp_path: Path, options: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        make(tmp_path, None, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "val"}, "no parquet file of split 'val' .*test-00000-of-00002"),
        ({"label_column": "mood"}, "no column 'mood'; its columns: image, emotion, label"),
        ({"image_column": "emotion"}, "row 1: 'awe' in column 'emotion'; expected an image's"),
        ({"label_names": ("awe", "6=fear")}, "VALUE=CLASS for all"),
        ({"match_folder": "absent"}, "absent: no such file or folder"),
    ],
)
def test_what_is_not_in_the_files_is_told(
    tmp_path: Path, files: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        make(tmp_path, files, **options)


def test_a_file_that_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.parquet").write_text("nothing")
    with pytest.raises(InputError, match=r"a\.parquet: not a parquet file"):
        make(tmp_path, tmp_path / "p")


def test_what_is_no_image_is_kept_under_its_name_for_the_check(tmp_path: Path) -> None:
    image = {"bytes": b"no image", "path": "a.JPG"}
    write_parquet(tmp_path / "p/a.parquet", [{"image": image, "emotion": "awe"}])
    make(tmp_path, tmp_path / "p")
    (question,) = (tmp_path / "q.jsonl").read_text().splitlines()
    assert json.loads(question)["image"].endswith(".jpg")


def test_without_the_extra_its_name_is_told(
    tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(parquet, "import_module", absent)
    with pytest.raises(InputError, match=r"pip install -e '\.\[hub\]'"):
        make(tmp_path, files)
