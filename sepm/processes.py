"""The processes of one command under `accelerate launch`, and what they tell each other.

The first process runs the command, and it alone reads and writes results and speaks to the user;
the others wait for its assignments (`sepm.evaluation.helper_process`) and say only why they end.
Who is who stands in the environment that the launcher makes; without one there is a single process.
Nothing here imports torch.
"""

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from sepm.errors import InputError, RunError

T = TypeVar("T")

PATIENCE = timedelta(days=30)
"""How long a process waits for another: a check of all images, or the last window of a slow one.
Of a process that died the others hear at once."""

MEETING = ("RANK", "MASTER_ADDR", "MASTER_PORT")
"""What a launcher tells each of several processes, so that they find each other."""

LAUNCH = "Start with accelerate launch, which sets these, or unset WORLD_SIZE for one process alone"


class LostProcessError(RunError):
    """Another process of the command has ended before its work was done."""


@dataclass(frozen=True)
class Processes:
    """This process among those of the command."""

    index: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process runs the command."""
        return self.index == 0

    @property
    def name(self) -> str:
        """Name of this process in notes and errors, counted from 1 as people do."""
        return f"process {self.index + 1} of {self.count}"

    def broadcast(self, value: Any = None) -> Any:
        """The main process's value, on all.

        Raises:
            LostProcessError: another process has ended.
        """
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return _together(broadcast_object_list, [value])[0]

    def gather(self, value: T) -> list[T]:
        """The value of each process, in their order, on all.

        Raises:
            LostProcessError: another process has ended.
        """
        if self.count == 1:
            return [value]
        from accelerate.utils import gather_object

        return _together(gather_object, [value])

    def from_main(self, make: Callable[[], T]) -> T:
        """Result of `make()` on the main process, the only one to call it, on all.

        Raises:
            InputError: `make` raised it; on all.
            LostProcessError: another process has ended.
        """
        result, error = _attempt(make) if self.is_main else (None, None)
        result, error = self.broadcast((result, error))
        if error is not None:
            raise error
        return result

    def agreed(self, make: Callable[[], T]) -> T:
        """Result of `make()` on this process, once every process has come so far.

        Raises:
            InputError: `make` raised it on a process; on all, that of the first such process.
            LostProcessError: another process has ended.
        """
        result, error = _attempt(make)
        if error is not None and not self.is_main:
            error = InputError(f"{self.name}: {error}")
        for raised in self.gather(error):
            if raised is not None:
                raise raised
        assert result is not None, "made without an error"
        return result


def current_processes() -> Processes:
    """This process among those that a launcher started; alone where there is none.

    Raises:
        InputError: the environment names several processes and does not say which one this is.
    """
    count = _launcher_number("WORLD_SIZE", 1)
    if count <= 1:
        return Processes()
    if absent := [name for name in MEETING if not os.environ.get(name)]:
        raise InputError(
            f"WORLD_SIZE is {count} in the environment, without {', '.join(absent)}. {LAUNCH}"
        )
    index = _launcher_number("RANK", 0)
    if not 0 <= index < count:
        raise InputError(
            f"WORLD_SIZE is {count} in the environment, so RANK must be from 0 to {count - 1}, "
            f"got {index}. {LAUNCH}"
        )
    return Processes(index, count)


def local_index() -> int:
    """Index of this process on its machine, as a launcher or SLURM says."""
    on_any_machine = _launcher_number("RANK", 0)
    return _launcher_number("LOCAL_RANK", _launcher_number("SLURM_LOCALID", on_any_machine))


def local_count() -> int:
    """Number of the command's processes on this machine."""
    return _launcher_number("LOCAL_WORLD_SIZE", 1)


def _launcher_number(name: str, absent: int) -> int:
    """A number that a launcher leaves in the environment.

    Raises:
        InputError: there is something else.
    """
    text = os.environ.get(name) or str(absent)
    try:
        return int(text)
    except ValueError as error:
        raise InputError(
            f"{name} must be a whole number in the environment, got '{text}'. {LAUNCH}"
        ) from error


def _attempt(make: Callable[[], T]) -> tuple[T | None, InputError | None]:
    """Result of `make()`, or the error that it raises."""
    try:
        return make(), None
    except InputError as error:
        return None, error


def _together(collective: Callable[[list[Any]], list[Any]], values: list[Any]) -> list[Any]:
    """Result of a collective operation; all processes must call it.

    Raises:
        LostProcessError: another process has ended.
    """
    try:
        _join()
        return collective(values)
    except RuntimeError as error:
        raise LostProcessError(
            "another process of this command has ended early. All rows that were done are kept, "
            "and the same command goes on from there, with any number of processes"
        ) from error


@cache
def _join() -> None:
    """Meet the other processes.

    Only Python objects travel, so gloo serves on GPUs too: it needs no device memory, and has no
    watchdog that takes a long wait for a failure.
    """
    from accelerate import PartialState

    state = PartialState(cpu=True, backend="gloo", timeout=PATIENCE)
    atexit.register(state.destroy_process_group)  # its threads must not outlive the interpreter
