import subprocess
import sys
import threading

import pytest

from sepm.datasets import daemon_threads
from sepm.datasets.daemon_threads import in_threads


@pytest.mark.parametrize("workers", [1, 3, 50])
def test_every_item_is_answered_once(workers: int):
    assert dict(in_threads(lambda n: n * n, range(20), workers)) == {n: n * n for n in range(20)}


def test_what_does_not_answer_is_named_after_all_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(daemon_threads, "SECONDS_TO_READ", 0.2)
    never = threading.Event()
    answers = in_threads(lambda name: name == "stuck" and never.wait(), ["stuck", "a", "b"], 2)
    assert [next(answers)[0], next(answers)[0]] == ["a", "b"]
    with pytest.raises(TimeoutError, match=r"^stuck: not read within"):
        next(answers)
    never.set()


def test_a_process_ends_though_a_thread_of_it_does_not():
    program = """
import threading
from sepm.datasets.daemon_threads import in_threads
print(next(in_threads(lambda n: n and threading.Event().wait(), [0, 1], 2)))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "(0, 0)\n"
