"""Images decoded and preprocessed ahead, in processes of their own."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from PIL import Image
from torch.utils.data import DataLoader, Dataset

from sepm.datasets.daemon_threads import unanswered
from sepm.datasets.image_files import SECONDS_TO_READ, UnreadableImageError, read_image_and_hash
from sepm.errors import RunError
from sepm.models.malloc import give_back_freed_memory
from sepm.processes import local_count

MOST_WORKERS = 4

Preprocess = Callable[[Image.Image], Any]


@dataclass(frozen=True)
class LoadedImage:
    """An image as the model takes it, and the hash of its file.

    It travels between processes through a pipe, never as a tensor: that would go through /dev/shm,
    of which containers often have 64 MB.
    """

    content: Any
    """What the model's `preprocess` made."""
    sha256: str
    """Of the file's bytes."""


def load_image(path: Path, preprocess: Preprocess) -> LoadedImage | UnreadableImageError:
    """The image, or why it cannot be read, or be taken by the model."""
    try:
        image, sha256 = read_image_and_hash(path)
        return LoadedImage(preprocess(image), sha256)
    except UnreadableImageError as error:
        return error


def num_workers() -> int:
    """Workers of this process: up to four, while a processor is left to each process's own work."""
    known = hasattr(os, "sched_getaffinity")  # where it is, it heeds what a container may use
    processors = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, processors // local_count() - 1))


def loaded_ahead(
    paths: Sequence[Path], preprocess: Preprocess, ahead: int
) -> Generator[LoadedImage | UnreadableImageError]:
    """The images in order, or why there are none; the workers end with the iterator.

    Args:
        preprocess: image to the model's input; workers get a copy of it.
        ahead: how many images may be loaded before it is their turn.
    """
    workers, load = num_workers(), cast("Any", partial(load_image, preprocess=preprocess))
    loader = DataLoader(
        cast("Dataset[Path]", paths),
        batch_size=None,
        worker_init_fn=_end_with_parent,
        collate_fn=load,  # which a worker calls with a path
        num_workers=workers,
        prefetch_factor=-(-ahead // workers),
        timeout=SECONDS_TO_READ,
    )
    with _killed_at_the_end():
        loaded = iter(loader)
        give_back_freed_memory()  # the workers are forked now
        for path in paths:
            yield _next(loaded, path)


def _next(loaded: Iterator[Any], path: Path) -> LoadedImage | UnreadableImageError:
    """The next image from a worker, the one at the path.

    Raises:
        TimeoutError: its worker does not answer.
    """
    try:
        return next(loaded)
    except RuntimeError as error:
        if "DataLoader timed out" not in str(error):
            raise
        raise TimeoutError(unanswered(f"image {path}")) from error


@contextmanager
def _killed_at_the_end() -> Iterator[None]:
    """Kill, at its end, the processes begun within it: nothing less ends one at a dead disk.

    The interpreter would wait for them, on Ctrl-C too.
    """
    before = set(multiprocessing.active_children())
    try:
        yield
    finally:
        begun = set(multiprocessing.active_children()) - before
        with _deaths_expected():
            for process in begun:
                process.kill()
            for process in begun:
                process.join(timeout=1)


@contextmanager
def _deaths_expected() -> Iterator[None]:
    """Within it, torch does not hear of workers that die, and so does not raise."""
    if threading.current_thread() is not threading.main_thread():  # torch listens in that alone
        yield
        return
    listening = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, listening)


def _end_with_parent(worker: int) -> None:
    """Let a worker end with its parent, however that ends, and not by itself.

    On Ctrl-C, and when its parent was killed, torch would let it send off first what it has loaded,
    which nobody takes any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "called in a worker"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def worker_failures(advice: str) -> Iterator[None]:
    """Within it, a worker that is lost is a plain error, wherever the main thread hears of it.

    Args:
        advice: what is lost and what to do, as the message says it.

    Raises:
        RunError: a worker died, or does not answer.
    """
    try:
        yield
    except TimeoutError as error:
        raise RunError(f"{error} {advice}") from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise RunError(
            f"a process that reads images has died, perhaps for lack of memory: {error} {advice}"
        ) from error
