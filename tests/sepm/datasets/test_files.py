import errno
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
