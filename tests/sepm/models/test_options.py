"""A model's name, as results show it."""

from pathlib import Path

import pytest

from sepm.models.options import ModelOptions


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("liuhaotian/llava-v1.5-7b", "llava-v1.5-7b"),
        ("/models/llava-v1.5-7b/", "llava-v1.5-7b"),
        ("/models/llava-v1.5-7b/.", "llava-v1.5-7b"),
        ("~/models/my llava", "my llava"),
    ],
)
def test_a_model_is_named_by_the_last_part_of_its_path(path: str, name: str) -> None:
    assert ModelOptions(model_path=path).name == name


def test_a_model_given_as_the_working_directory_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llava-x").mkdir()
    monkeypatch.chdir(tmp_path / "llava-x")
    assert ModelOptions(model_path=".").name == "llava-x"


def test_a_link_to_a_model_keeps_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "4481d270").mkdir()
    (tmp_path / "llava-v1.5-7b").symlink_to(tmp_path / "4481d270")
    assert ModelOptions(model_path=str(tmp_path / "llava-v1.5-7b")).name == "llava-v1.5-7b"
