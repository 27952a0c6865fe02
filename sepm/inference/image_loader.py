"""Images decoded and preprocessed ahead, in processes of their own."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sepm.datasets.image_files import SECONDS_TO_READ, UnreadableImageError, read_image_and_hash
from sepm.datasets.threads import unanswered
from sepm.errors import RunError
from sepm.inference.heap import give_back_freed_memory
from sepm.inference.processes import local_count

MOST_WORKERS = 4

Preprocess = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class LoadedImage:
    """An image as the model takes it, and what it was made from."""

    pixels: Tensor
    """float32[3, height, width]."""
    sha256: str
    """Of the file's bytes."""


def load_image(path: Path, preprocess: Preprocess) -> LoadedImage | UnreadableImageError:
    """The image, or why it cannot be read."""
    try:
        image, sha256 = read_image_and_hash(path)
    except UnreadableImageError as error:
        return error
    return LoadedImage(preprocess(image), sha256)


@dataclass
class Parcel:
    """What a worker sends: an array, since tensors would travel through /dev/shm.

    Containers often have 64 MB of that, which images in flight would overflow; arrays take a pipe.
    """

    content: np.ndarray | UnreadableImageError
    sha256: str = ""

    def open(self, device: torch.device) -> LoadedImage | UnreadableImageError:
        """The image on the device, or why it cannot be read."""
        if isinstance(self.content, UnreadableImageError):
            return self.content
        pixels, on_cuda = torch.as_tensor(self.content), device.type == "cuda"
        if on_cuda:
            pixels = pixels.pin_memory()
        return LoadedImage(pixels.to(device, non_blocking=on_cuda), self.sha256)


class ImageFiles(Dataset[Parcel]):
    """Image files, loaded one at a time.

    Args:
        paths: of the images.
        preprocess: image to pixels; workers get a copy of it.
    """

    def __init__(self, paths: Sequence[Path], preprocess: Preprocess) -> None:
        self.paths = paths
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Parcel:
        loaded = load_image(self.paths[index], self.preprocess)
        if isinstance(loaded, UnreadableImageError):
            return Parcel(loaded)
        return Parcel(loaded.pixels.numpy(), loaded.sha256)


def num_workers() -> int:
    """Workers of this process: up to four, while a processor is left to each process's own work."""
    known = hasattr(os, "sched_getaffinity")  # where it is, it heeds what a container may use
    processors = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, processors // local_count() - 1))


def loaded_ahead(
    paths: Sequence[Path], preprocess: Preprocess, ahead: int, device: torch.device
) -> Generator[LoadedImage | UnreadableImageError]:
    """The images in order, on the device, or why there are none; the workers end with the iterator.

    Args:
        paths: of the images.
        preprocess: image to pixels.
        ahead: how many images may be loaded before it is their turn.
        device: where pixels go; copies to a CUDA device, which come from pinned memory, do not
            wait for it.
    """
    workers = num_workers()
    loader = DataLoader(
        ImageFiles(paths, preprocess),
        batch_size=None,
        worker_init_fn=_end_with_parent,
        collate_fn=_as_it_is,  # type: ignore[arg-type]
        num_workers=workers,
        prefetch_factor=-(-ahead // workers),
        timeout=SECONDS_TO_READ,
    )
    with _killed_at_the_end():
        parcels = iter(loader)
        give_back_freed_memory()  # the workers are forked now
        for path in paths:
            yield _next(parcels, path).open(device)


def _next(parcels: Iterator[Parcel], path: Path) -> Parcel:
    """What a worker sends of the next image, which is the one at the path.

    Raises:
        TimeoutError: its worker does not answer.
    """
    try:
        return next(parcels)
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


def _as_it_is(parcel: Parcel) -> Parcel:
    return parcel


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
