"""Contents of folders: links, broken ones and circles, and what systems leave there."""

import os
from pathlib import Path

import pytest

from sepm.datasets.folder import images_below
from sepm.datasets.folder_walk import folders_in
from sepm.errors import InputError
from tests.sepm.datasets.trees import write_image


@pytest.mark.parametrize(
    "left_behind",
    [
        ".ipynb_checkpoints/a-checkpoint.png",
        "sub/.ipynb_checkpoints/a.png",
        "@eaDir/a.png/SYNOPHOTO_THUMB_M.png",
        "__MACOSX/fear/._a.png",
        "sub/#recycle/a.png",
        "$RECYCLE.BIN/a.png",
        "lost+found/a.png",
        ".thumbnails/a.png",
        "._a.png",
        ".DS_Store",
        "Thumbs.db",
    ],
)
def test_what_systems_leave_in_a_folder_is_never_data(tmp_path: Path, left_behind: str):
    write_image(tmp_path / "a.png")
    path = tmp_path / left_behind
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    assert images_below(tmp_path) == (["a.png"], 0)
    assert not [folder for folder in folders_in(tmp_path) if folder.name != "sub"]


def test_images_behind_links_to_folders_and_files_are_found(tmp_path: Path):
    kept = write_image(tmp_path / "elsewhere" / "deep" / "a.png")
    (tmp_path / "fear").mkdir()
    (tmp_path / "fear" / "part").symlink_to(kept.parents[1])
    (tmp_path / "fear" / "b.png").symlink_to("../elsewhere/deep/a.png")
    assert images_below(tmp_path / "fear")[0] == ["b.png", "part/deep/a.png"]


@pytest.mark.parametrize("name", ["a.png", "part"])
def test_a_broken_link_is_named_whether_to_a_file_or_a_folder(tmp_path: Path, name: str):
    (tmp_path / name).symlink_to("gone")
    for look in (images_below, folders_in):
        with pytest.raises(InputError, match=rf"{name}: .* is a link to 'gone', where nothing is"):
            look(tmp_path)


def test_links_in_a_circle_are_named_and_end(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "to_b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to_a").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="a/to_b/to_a: a link to a folder that it lies in"):
        images_below(tmp_path / "a")


def test_a_pipe_among_the_images_is_named(tmp_path: Path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: a pipe, socket or device, not a file"):
        images_below(tmp_path)
