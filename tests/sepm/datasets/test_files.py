import errno
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sepm.datasets.files import (
    Problem,
    file_sha256,
    numbered_lines,
    raise_problems,
    read_rows,
    write_whole,
)
from sepm.errors import InputError


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"\xef\xbb\xbfone\r\n\r\n  \nfour\n", [(1, "one"), (4, "four")]),
        ("a\u2028b\nc".encode(), [(1, "a\u2028b"), (2, "c")]),
    ],
)
def test_only_a_line_feed_ends_a_line_and_blank_lines_bom_and_cr_are_left_out(
    tmp_path: Path, content: bytes, lines: list[tuple[int, str]]
):
    (tmp_path / "list.txt").write_bytes(content)
    assert numbered_lines(tmp_path / "list.txt") == lines


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("latin.txt", r"latin\.txt:2: not UTF-8"),
        ("absent.txt", r"absent\.txt: no such file"),
        (".", "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, message: str):
    (tmp_path / "latin.txt").write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(InputError, match=message):
        numbered_lines(tmp_path / name)


def test_rows_are_read_or_all_that_is_wrong_is_told(tmp_path: Path):
    assert read_rows(tmp_path, [(1, "3"), (2, "4")], lambda line, row: line * int(row)) == [3, 8]
    with pytest.raises(InputError) as raised:
        read_rows(tmp_path, [(1, "x"), (2, "4"), (5, "y")], lambda _, row: int(row))
    wrong = [line.partition(": ")[0] for line in str(raised.value).split("\n")]
    assert wrong == [f"{tmp_path}:1", f"{tmp_path}:5"]


def test_twenty_problems_are_shown_and_the_rest_counted():
    problems = [Problem(Path("a.txt"), line, "wrong") for line in range(1, 24)]
    with pytest.raises(InputError) as raised:
        raise_problems(problems)
    lines = str(raised.value).split("\n")
    assert lines[0] == "a.txt:1: wrong"
    assert lines[19:] == ["a.txt:20: wrong", "… and 3 more"]


def test_no_problem_raises_nothing():
    raise_problems([])


def test_half_a_surrogate_is_written_out_as_json_has_it(tmp_path: Path):
    path = tmp_path / "file.json"
    write_whole(path, '"caf\udce9"')
    assert json.loads(path.read_text(encoding="utf-8")) == "caf\udce9"


def test_a_link_stays_a_link_to_what_is_written(tmp_path: Path):
    target, link = tmp_path / "elsewhere" / "file.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    for content in ("new", "newer"):  # where the target is not there yet, and where it is
        write_whole(link, content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert list(target.parent.iterdir()) == [target]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        write_whole(pipe, "through")
        assert read.result(timeout=10) == "through"
    assert pipe.is_fifo()


def test_standard_output_keeps_its_order_in_a_file_and_in_a_pipe(tmp_path: Path):
    program = (
        "from pathlib import Path\n"
        "from sepm.datasets.files import write_whole\n"
        "print('before')\n"
        "write_whole(Path('/dev/stdout'), 'content\\n')\n"
        "print('after')\n"
    )
    redirected = tmp_path / "out.txt"
    with redirected.open("w") as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
    piped = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert redirected.read_text() == "before\ncontent\nafter\n"
    assert piped.stdout == b"before\ncontent\nafter\n"


def test_a_file_is_on_the_disk_before_it_takes_the_others_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/dev/fd/{number}")))
    monkeypatch.setattr(os, "replace", lambda partial, path: synced.append(f"replaced {path}"))
    write_whole(tmp_path / "file.txt", "new")
    partial, replaced, folder = synced
    assert Path(partial).name.endswith(".partial")
    assert (replaced, folder) == (f"replaced {tmp_path / 'file.txt'}", str(tmp_path))


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
