"""Processes but the first under a launcher: they wait for assignments and carry them out.

The first process runs the command as if it were alone. So nothing is read, checked, said or written
twice, and a command of several evaluations (`sepm table`) needs to know nothing of its helpers.
"""

import signal
from contextlib import suppress

from sepm.errors import InputError, RunError
from sepm.processes import current_processes
from sepm.terminal import complain


def serve() -> int:
    """Exit status of a process that carries out assignments until it is dismissed."""
    processes = current_processes()
    # A process that waits for another does not hear of Ctrl-C otherwise. All its rows are on disk.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        meet()
        while not isinstance(received := processes.broadcast(), int):
            _carry_out(received)
    except (RunError, OSError) as error:
        complain(f"sepm, {processes.name}: {error}")
        return 1
    return received


def _carry_out(assignment: object) -> None:
    from sepm.evaluation.assignment import Assignment, carry_out  # imports torch

    assert isinstance(assignment, Assignment)
    with suppress(InputError):  # raised on all; the first tells it, and may have other assignments
        carry_out(assignment)


def meet() -> None:
    """Wait until all processes are there; from then on each hears at once when another ends.

    Ctrl-C ends the wait, of which Python itself would not hear.

    Raises:
        LostProcessError: one has ended already.
    """
    processes = current_processes()
    if processes.count > 1:
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            processes.gather(None)
        finally:
            signal.signal(signal.SIGINT, before)


def dismiss(status: int) -> None:
    """Let the other processes, if there are any, end with that exit status.

    Each must be waiting for an assignment.
    """
    current_processes().broadcast(status)
