"""Sums of large files: read once, known afterwards, and never those of other bytes."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from sepm.datasets.files import file_sha256
from sepm.models import checksums as module
from sepm.models.checksums import checksums

ABC = hashlib.sha256(b"abc").hexdigest()
BLOB = "5e" * 32


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's file in a home of its own; every change of a file counts as an old one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "SETTLED_NS", -1)
    monkeypatch.setattr(module, "_computed", {})
    return tmp_path / "cache" / "sepm" / "checksums.json"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that have been read to hash them."""
    files: list[Path] = []

    def count(path: Path) -> str:
        files.append(path)
        return file_sha256(path)

    monkeypatch.setattr(module, "file_sha256", count)
    return files


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file that holds "abc"."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"abc")
    return path


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_computed", {})


def test_a_second_process_does_not_read_the_file_again(
    weights: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checksums([weights]) == {weights: ABC}
    another_process(monkeypatch)
    assert checksums([weights]) == {weights: ABC}
    assert read == [weights]


def test_other_bytes_of_the_same_length_and_time_are_read(weights: Path) -> None:
    checksums([weights])
    before = weights.stat()
    weights.write_bytes(b"abd")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert checksums([weights])[weights] == hashlib.sha256(b"abd").hexdigest()


def test_another_file_moved_to_its_place_is_read(weights: Path, tmp_path: Path) -> None:
    checksums([weights])
    (tmp_path / "other").write_bytes(b"abd")
    os.replace(tmp_path / "other", weights)
    assert checksums([weights])[weights] == hashlib.sha256(b"abd").hexdigest()


def test_a_file_that_has_just_changed_is_not_remembered(
    weights: Path, cache: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED_NS", 3600 * 10**9)
    checksums([weights])
    checksums([weights])
    assert read == [weights, weights]
    assert not cache.exists()


@pytest.mark.parametrize("damaged", ["", "{", "[1, 2]", '{"PATH": 3}', '{"PATH": [STATE, null]}'])
def test_a_damaged_cache_costs_a_read_and_nothing_else(
    damaged: str, weights: Path, cache: Path, read: list[Path]
) -> None:
    stat = weights.stat()
    state = f"{stat.st_size}, {stat.st_mtime_ns}, {stat.st_ctime_ns}, {stat.st_ino}"
    cache.parent.mkdir(parents=True)
    cache.write_text(damaged.replace("PATH", os.path.realpath(weights)).replace("STATE", state))
    assert checksums([weights]) == {weights: ABC}
    assert read == [weights]
    assert json.loads(cache.read_text())[os.path.realpath(weights)][-1] == ABC


def test_without_a_cache_to_write_to_a_process_reads_a_file_once(
    weights: Path, tmp_path: Path, read: list[Path]
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert checksums([weights]) == checksums([weights]) == {weights: ABC}
    assert read == [weights]


def test_what_another_process_has_added_stays_and_what_has_gone_is_left_out(
    weights: Path, cache: Path, tmp_path: Path
) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps({str(tmp_path): [1], str(tmp_path / "gone"): [2]}))
    checksums([weights])
    assert json.loads(cache.read_text()).keys() == {str(tmp_path), os.path.realpath(weights)}


# ---- the hub's cache


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A weight file as the hub's cache links it, its blob named by a sum that is not its own."""
    repository = tmp_path / "models--owner--name"
    for folder in ("blobs", "snapshots/4481d270"):
        (repository / folder).mkdir(parents=True)
    (repository / "blobs" / BLOB).write_bytes(b"abc")
    path = repository / "snapshots" / "4481d270" / "model.safetensors"
    path.symlink_to(f"../../blobs/{BLOB}")
    return path


def test_a_blob_of_the_hub_is_known_by_its_name_and_not_read(
    linked: Path, read: list[Path]
) -> None:
    assert checksums([linked]) == {linked: BLOB}
    assert read == []


def test_a_blob_that_was_written_to_is_read(linked: Path) -> None:
    long_ago = 10**18
    os.utime(linked, ns=(long_ago, long_ago), follow_symlinks=False)
    linked.write_bytes(b"abc")
    assert checksums([linked]) == {linked: ABC}


def test_a_small_file_of_the_hub_is_read_for_its_blob_has_another_kind_of_name(
    linked: Path,
) -> None:
    blob = linked.parents[2] / "blobs" / ("5e" * 20)
    blob.write_bytes(b"abc")
    config = linked.with_name("config.json")
    config.symlink_to(blob)
    assert checksums([config]) == {config: ABC}


def test_a_link_to_any_other_file_with_such_a_name_is_read(tmp_path: Path) -> None:
    (tmp_path / BLOB).write_bytes(b"abc")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / BLOB)
    assert set(checksums([tmp_path / "model.safetensors"]).values()) == {ABC}
