"""Many files read in threads, none of which keeps the process from ending."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from sepm.datasets.image_files import SECONDS_TO_READ

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_threads(
    function: Callable[[Item], Answer], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Answer]]:
    """Pairs of an item and the function's answer, as they come.

    A thread that waits for a dead disk is waited for neither on Ctrl-C nor when the process ends:
    the threads are daemons, as those of `concurrent.futures` are not.

    Args:
        function: what to do with an item; it raises nothing.
        items: all different.

    Raises:
        TimeoutError: no answer came for `SECONDS_TO_READ`; the message names what was awaited.
    """
    waiting: SimpleQueue[Item] = SimpleQueue()
    answers: SimpleQueue[tuple[Item, Answer]] = SimpleQueue()
    at_work: set[Item] = set()

    def work() -> None:
        with suppress(Empty):
            while True:
                item = waiting.get_nowait()
                at_work.add(item)
                answers.put((item, function(item)))

    for item in items:
        waiting.put(item)
    for _ in range(workers):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in items:
            item, answer = answers.get(timeout=SECONDS_TO_READ)
            at_work.remove(item)
            yield item, answer
    except Empty as error:
        raise TimeoutError(unanswered(", ".join(sorted(map(str, at_work))))) from error
    finally:
        with suppress(Empty):
            while True:
                waiting.get_nowait()


def unanswered(what: str) -> str:
    """Message about files that could not be read in time."""
    return (
        f"{what}: not read within {SECONDS_TO_READ} seconds; does the disk or network that holds "
        "it still answer?"
    )
