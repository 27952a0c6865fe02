"""Images loaded ahead in processes of their own: their order, their failures, their end."""

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sepm.datasets.files import file_sha256
from sepm.datasets.image_files import UnreadableImageError
from sepm.errors import RunError
from sepm.evaluation.assignment import GOES_ON
from sepm.inference import image_loader as images
from sepm.inference.image_loader import LoadedImage, loaded_ahead, worker_failures


def brightness(image: Image.Image) -> np.ndarray:
    """One number as float32[3, 1, 1]."""
    return np.full((3, 1, 1), np.asarray(image)[0, 0, 0], np.float32)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Twenty images; of number n every pixel is n."""
    found = [tmp_path / f"{number}.png" for number in range(20)]
    for number, path in enumerate(found):
        Image.new("RGB", (4, 4), (number, number, number)).save(path)
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_images_come_in_order_with_their_hashes_whatever_the_number_of_workers(
    workers: int, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "num_workers", lambda: workers)
    loaded = list(loaded_ahead(paths, brightness, 8))
    found = [image for image in loaded if isinstance(image, LoadedImage)]
    assert [float(image.content[0, 0, 0]) for image in found] == list(range(20))
    assert [image.sha256 for image in found] == [file_sha256(path) for path in paths]


def test_an_unreadable_image_is_its_reason_and_the_others_come(paths: list[Path]) -> None:
    paths[1].write_bytes(b"no image")
    first, second, third, *_ = loaded_ahead(paths, brightness, 8)
    assert isinstance(second, UnreadableImageError)
    assert str(second) == "not an image that PIL can read (8 bytes)"
    assert isinstance(first, LoadedImage)
    assert isinstance(third, LoadedImage)


def test_no_process_is_left_when_it_is_left_early(paths: list[Path]) -> None:
    loading = loaded_ahead(paths, brightness, 8)
    next(loading)
    assert multiprocessing.active_children()
    loading.close()
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_a_plain_error(paths: list[Path]) -> None:
    def die(image: Image.Image) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("not reached")

    said = r"a process that reads images has died.*rows before are"
    with pytest.raises(RunError, match=said), worker_failures(GOES_ON):
        list(loaded_ahead(paths, die, 8))


def stop(image: Image.Image) -> np.ndarray:
    """Let the process no longer answer, nor end for anything but SIGKILL, as one at a dead disk."""
    os.kill(os.getpid(), signal.SIGSTOP)
    return brightness(image)


def test_an_image_that_does_not_come_is_a_plain_error_that_names_it(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SECONDS_TO_READ", 1)
    said = r"image .*/0\.png: not read within .* still answer\? The rows before are"
    with pytest.raises(RunError, match=said), worker_failures(GOES_ON):
        list(loaded_ahead(paths, stop, 8))
    assert not multiprocessing.active_children()


def test_ctrl_c_is_heard_while_an_image_does_not_come(paths: list[Path]) -> None:
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(loaded_ahead(paths, stop, 8))
    assert not multiprocessing.active_children()
    assert time.monotonic() - began < 10


def test_another_error_of_a_run_is_not_taken_for_a_dead_worker() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), worker_failures("Try again"):
        raise RuntimeError("shapes differ")


def test_workers_end_when_their_parent_is_killed(paths: list[Path]) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    parent = multiprocessing.get_context("fork").Process(
        target=load_and_hang, args=(paths, writer), daemon=False
    )
    parent.start()
    worker = reader.recv()
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 60
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    if alive(worker):
        os.kill(worker, signal.SIGKILL)
        pytest.fail("the worker outlived its parent by a minute")


def big(image: Image.Image) -> np.ndarray:
    """More than a pipe holds."""
    return np.zeros((3, 300, 300), np.float32)


def load_and_hang(paths: list[Path], writer: Connection) -> None:
    loading = loaded_ahead(paths, big, 16)
    next(loading)
    writer.send(multiprocessing.active_children()[0].pid)
    time.sleep(600)


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
