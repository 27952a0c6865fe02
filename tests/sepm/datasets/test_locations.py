"""Which images and which question file a task of the tables gets."""

import json
import shutil
from pathlib import Path

import pytest

from sepm.datasets.locations import IMAGE_FOLDERS, find_task, require_data
from sepm.datasets.make_question_file import make_question_file, manifest_path
from sepm.errors import InputError


@pytest.fixture
def questions(tmp_path: Path, emotion6_root: Path) -> Path:
    """A folder with a question file made of the data set in `tmp_path`."""
    make_question_file("emotion6", emotion6_root, {}, tmp_path / "q/emotion6/stage_1.jsonl")
    return tmp_path / "q"


@pytest.fixture
def second(tmp_path: Path, emotion6_root: Path) -> Path:
    """Another data folder with the same data set."""
    shutil.copytree(emotion6_root, tmp_path / "second/Emotion6")
    return tmp_path / "second"


def test_the_data_that_is_given_goes_before_the_manifests(second: Path, questions: Path) -> None:
    found = find_task("emotion6", second, questions)
    assert found.image_folder == second / "Emotion6/images"
    assert found.notes == ()


def test_where_the_data_given_lacks_the_images_the_manifests_folder_is_taken_and_said(
    second: Path, questions: Path, emotion6_root: Path
) -> None:
    shutil.rmtree(second / "Emotion6/images/anger")  # holds the first image
    found = find_task("emotion6", second, questions)
    assert found.image_folder == emotion6_root / "images"
    assert found.notes == (
        f"images of {emotion6_root / 'images'}: {second / 'Emotion6/images'} does not hold them",
    )


@pytest.mark.parametrize("content", ["[]", "{", json.dumps({"image_folder": "/nowhere/at/all"})])
def test_a_manifest_that_names_no_folder_leaves_the_data_given(
    tmp_path: Path, questions: Path, content: str
) -> None:
    manifest_path(questions / "emotion6/stage_1.jsonl").write_text(content)
    found = find_task("emotion6", tmp_path / "absent", questions)
    assert found.image_folder == tmp_path / "absent/Emotion6/images"


def test_a_file_made_with_defaults_tells_how_to_make_another(
    tmp_path: Path, emotion6_root: Path
) -> None:
    found = find_task("emotion6", tmp_path, tmp_path / "q")
    rest = f"--root {emotion6_root} --split LIST --output {found.question_file}"
    assert any(f"sepm questions emotion6 {rest}" in note for note in found.notes)


@pytest.mark.parametrize("task", IMAGE_FOLDERS)
def test_every_data_set_that_is_not_there_is_told_with_where_to_get_it(
    task: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"absent is no folder\. Get it from (http|its authors)"):
        require_data(task, tmp_path / "absent")


def test_a_data_set_that_is_not_there_is_told_with_the_readmes_section_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_data("abstract", tmp_path)
    with pytest.raises(InputError, match=r"absent is no folder(.|\n)*## Abstract \(Mach") as told:
        require_data("abstract", tmp_path / "absent")
    assert "## How images" not in str(told.value)
    monkeypatch.setattr("sepm.datasets.locations.README", "data/absent.md")
    with pytest.raises(InputError, match=r"or name the folder where it lies\.$"):
        require_data("abstract", tmp_path / "absent")
