import errno
import hashlib
import os
from pathlib import Path

import pytest

from sepm.datasets.files import Problem, file_sha256, numbered_lines, raise_problems, write_whole
from sepm.errors import InputError


def test_lines_keep_their_numbers_without_bom_line_ends_and_blank_lines(tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\r\n  \nfour\n")
    assert numbered_lines(path) == [(1, "one"), (4, "four")]


def test_only_a_line_feed_ends_a_line(tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_text("a\u2028b\nc", encoding="utf-8")
    assert numbered_lines(path) == [(1, "a\u2028b"), (2, "c")]


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(InputError, match=r"list\.txt:2: not UTF-8"):
        numbered_lines(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.txt: no such file"):
        numbered_lines(tmp_path / "absent.txt")


def test_a_folder_instead_of_a_file_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        numbered_lines(tmp_path)


def test_twenty_problems_are_shown_and_the_rest_counted():
    problems = [Problem(Path("a.txt"), line, "wrong") for line in range(1, 24)]
    with pytest.raises(InputError) as raised:
        raise_problems(problems)
    lines = str(raised.value).split("\n")
    assert lines[0] == "a.txt:1: wrong"
    assert lines[19:] == ["a.txt:20: wrong", "… and 3 more"]


def test_no_problem_raises_nothing():
    raise_problems([])


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path):
    path = tmp_path / "file.txt"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_at_the_last_step_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file.txt"
    write_whole(path, "old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"file\.txt: cannot be written: No space left on device"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "file" / "below.txt", "text")


def test_sha256_is_that_of_the_bytes(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert file_sha256(path) == hashlib.sha256(b"abc").hexdigest()
