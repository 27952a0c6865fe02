import json
from collections import Counter
from pathlib import Path

import pytest

from sepm.datasets.files import file_sha256
from sepm.datasets.make_question_file import make_question_file, paper_note
from sepm.datasets.question_file import read_question_file
from sepm.datasets.readers import READERS, Option
from sepm.datasets.tasks import load_taxonomy, task_names
from sepm.errors import InputError


def test_every_bundled_task_has_a_reader():
    assert set(task_names()) - {"demo"} | {"folder", "hub"} == set(READERS)


@pytest.mark.parametrize(
    ("task", "fixture"),
    [
        ("emoset", "emoset_root"),
        ("emotion6", "emotion6_root"),
        ("webemo7", "webemo_root"),
        ("webemo25", "webemo_root"),
        ("abstract", "abstract_root"),
        ("webemo2", "webemo_root"),
        ("artphoto", "artphoto_root"),
        ("fi", "fi_root"),
    ],
)
def test_what_a_reader_writes_is_read_back_from_the_image_folder_it_names(
    task: str, fixture: str, tmp_path: Path, request: pytest.FixtureRequest
):
    output = tmp_path / "q.jsonl"
    manifest = make_question_file(task, request.getfixturevalue(fixture), {}, output)
    folder = Path(manifest["image_folder"])
    questions = read_question_file(output, load_taxonomy(task), folder).questions
    assert len(questions) == manifest["n"] > 1
    assert Counter(q.label for q in questions) == Counter(manifest["classes"])
    assert all((folder / q.image).is_file() for q in questions)
    assert all(q.question_id.split("/")[0] == q.label for q in questions)
    assert all(q.text is None for q in questions)


def test_the_manifest_says_how_the_file_was_made(abstract_root: Path, tmp_path: Path):
    output = tmp_path / "question" / "stage_1.jsonl"
    make_question_file("abstract", abstract_root, {"ties": "any"}, output)
    manifest = json.loads((tmp_path / "question" / "stage_1.manifest.json").read_text())
    table = abstract_root / "ABSTRACT_groundTruth.csv"
    assert manifest["reader"] == "abstract"
    assert manifest["options"] == {"ties": "any"}
    assert manifest["n"] == 3
    assert manifest["classes"]["contentment"] == 1
    assert manifest["classes"]["fear"] == 0
    assert manifest["counts"] == {"images": 3, "ties": 1}
    assert manifest["inputs"] == {str(table): file_sha256(table)}
    assert manifest["question_file_sha256"] == file_sha256(output)
    assert manifest["taxonomy_grades"]["words"] == "inferred"
    assert manifest["paper"] == {"n": 280, "n_at_least": None, "differs": True}
    assert manifest["notes"] == ["n is 3; every accuracy in the paper fits n = 280"]


@pytest.mark.parametrize(("label", "ties"), [("votes", "first"), ("folder", None)])
def test_the_manifest_tells_a_default_that_depends_on_another_option(
    emotion6_root: Path, tmp_path: Path, label: str, ties: str | None
):
    made = make_question_file("emotion6", emotion6_root, {"label": label}, tmp_path / "q.jsonl")
    assert made["options"] == {"split": None, "label": label, "ties": ties}


def test_the_same_data_gives_the_same_file(emoset_root: Path, tmp_path: Path):
    for name in ("a.jsonl", "b.jsonl"):
        make_question_file("emoset", emoset_root, {}, tmp_path / name)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


FITS, EXCLUDES = (
    "every accuracy in the paper fits n = ",
    "the paper's accuracies exclude any n below ",
)


@pytest.mark.parametrize(
    ("task", "n", "note"),
    [
        *(("emoset", 17_716, FITS), ("emotion6", 594, FITS), ("abstract", 280, FITS)),
        *(("webemo7", 3_885, EXCLUDES), ("webemo25", 5_218, EXCLUDES)),
    ],
)
def test_an_n_that_is_not_the_papers_is_remarked_upon(task: str, n: int, note: str):
    assert paper_note(READERS[task], n) is None
    assert paper_note(READERS[task], n - 1) == f"n is {n - 1}; {note}{n}"


def test_a_users_own_task_needs_a_taxonomy_file_and_a_folder(emotion6_root: Path, tmp_path: Path):
    taxonomy = tmp_path / "mine.toml"
    taxonomy.write_text(
        'title = "mine"\nsource = "me"\ngrade = "confirmed"\n'
        + "".join(
            f'[[classes]]\nname = "{name}"\noption_text = "{name}"\noption_letter = "{letter}"\n'
            f'polarity = "{"positive" if name == "joy" else "negative"}"\n'
            for letter, name in zip("ABCD", ("joy", "surprise", "anger", "sadness"), strict=True)
        )
    )
    options = {"taxonomy": str(taxonomy)}
    manifest = make_question_file("folder", emotion6_root / "images", options, tmp_path / "q.jsonl")
    assert manifest["classes"] == {"joy": 1, "surprise": 1, "anger": 1, "sadness": 2}
    assert manifest["dataset"] == str(taxonomy)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("emoset", {"ties": "first"}, "--ties is no option of emoset; its options: --split"),
        ("emoset", {"label": "votes"}, "--label is no option of emoset"),
        ("abstract", {"split": "x"}, "--split is no option of abstract; its options: --ties"),
        ("webemo7", {"taxonomy": "x"}, "--taxonomy is no option of webemo7"),
        ("folder", {"split": "x"}, "--split is no option of folder; its options: --taxonomy"),
        ("folder", {}, "folder needs --taxonomy"),
        ("hub", {}, "hub needs --taxonomy"),
        ("fi", {"label_names": ("joy",)}, "--label-names is no option of fi; its options: none"),
        ("webemo", {}, r"unknown task 'webemo'; did you mean 'webemo\d+'\?"),
    ],
)
def test_a_task_or_an_option_that_is_unknown_is_refused(
    task: str, options: dict[str, Option], message: str, tmp_path: Path
):
    with pytest.raises(InputError, match=message):
        make_question_file(task, tmp_path, options, tmp_path / "q.jsonl")


def test_an_empty_list_makes_no_file(emoset_root: Path, tmp_path: Path):
    (emoset_root / "test.json").write_text("[]")
    with pytest.raises(InputError, match="no question could be made of it"):
        make_question_file("emoset", emoset_root, {}, tmp_path / "q.jsonl")
    assert not (tmp_path / "q.jsonl").exists()
