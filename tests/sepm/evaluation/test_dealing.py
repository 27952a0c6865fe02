"""Which process computes which questions, and what processes agree on."""

from collections.abc import Callable
from typing import Any

import pytest

from sepm import processes
from sepm.cli import main
from sepm.datasets.question_file import Question
from sepm.errors import InputError
from sepm.evaluation import helper_process
from sepm.inference.runner import WINDOW_BATCHES, dealt, windows_of
from sepm.processes import LostProcessError, Processes, current_processes

QUESTIONS = [Question(f"q{number}", f"{number}.png", "awe") for number in range(5 * 8 + 3)]
"""Five whole windows of batches of 1, and one of three questions."""
ALL = {question.question_id for question in QUESTIONS}


def first_of_windows(pending: set[str], index: int, count: int) -> list[str]:
    """The first question of each window of a process."""
    mine = dealt(QUESTIONS, pending, 1, Processes(index, count))
    return [window[0].question_id for window in windows_of(mine, 1)]


def test_windows_are_dealt_out_in_turn() -> None:
    assert WINDOW_BATCHES == 8
    assert first_of_windows(ALL, 0, 3) == ["q0", "q24"]
    assert first_of_windows(ALL, 1, 3) == ["q8", "q32"]
    assert first_of_windows(ALL, 2, 3) == ["q16", "q40"]


def test_windows_with_nothing_to_do_are_passed_over() -> None:
    pending = {"q3", "q17", "q42"}
    assert first_of_windows(pending, 0, 2) == ["q0", "q40"]
    assert first_of_windows(pending, 1, 2) == ["q16"]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_question_is_computed_by_one_process(count: int) -> None:
    shares = [dealt(QUESTIONS, ALL, 1, Processes(index, count)) for index in range(count)]
    ids = [question.question_id for share in shares for question in share]
    assert sorted(ids) == sorted(ALL)


# ---- agreement


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that sets what the other processes bring to the next collective operation."""

    def bring(*values: Any) -> None:
        monkeypatch.setattr(processes, "_together", lambda collective, own: [*values, *own])

    return bring


def refuse() -> None:
    raise InputError("no such model")


def launched(monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, value in {**meeting, **environment}.items():
        monkeypatch.setenv(name, value)


def test_a_launcher_tells_who_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    launched(monkeypatch, WORLD_SIZE="3", RANK="2")
    assert current_processes() == Processes(2, 3)
    assert not current_processes().is_main
    assert current_processes().name == "process 3 of 3"


def test_without_a_launcher_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert current_processes() == Processes(0, 1)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "2", "RANK": ""}, "WORLD_SIZE is 2 in the environment, without RANK"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": ""}, "without MASTER_ADDR"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK must be from 0 to 1, got 2"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE must be a whole number in the environment, got 'two'"),
        ({"WORLD_SIZE": "2", "RANK": "1.5"}, "RANK must be a whole number"),
    ],
)
def test_an_environment_that_no_launcher_makes_is_refused_with_what_to_do(
    environment: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launched(monkeypatch, **environment)
    assert main(["--help"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "unset WORLD_SIZE" in told


def test_a_process_lost_once_all_is_done_is_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(status: int) -> None:
        raise LostProcessError("another process has ended early")

    monkeypatch.setattr(helper_process, "dismiss", lost)
    monkeypatch.setattr("sepm.commands.tasks.run", lambda: 0)
    assert main(["tasks"]) == 1
    assert capsys.readouterr().err == "sepm: another process has ended early\n"


def test_an_error_of_another_process_is_raised_on_those_that_had_none(others: Any) -> None:
    others(InputError("process 1 of 2: no such model"))
    with pytest.raises(InputError, match="process 1 of 2: no such model"):
        Processes(1, 2).agreed(lambda: "loaded")


def test_the_process_that_had_an_error_is_named(others: Any) -> None:
    others(None)
    with pytest.raises(InputError, match=r"^process 2 of 2: no such model$"):
        Processes(1, 2).agreed(refuse)


def test_alone_an_error_is_what_it_was() -> None:
    with pytest.raises(InputError, match=r"^no such model$"):
        Processes().agreed(refuse)


def test_only_the_first_process_makes_what_comes_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_together", lambda collective, own: [("its own", None)])
    assert Processes(1, 2).from_main(lambda: pytest.fail("made here")) == "its own"


def test_a_lost_process_is_an_error_that_says_what_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(values: list[Any]) -> list[Any]:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(processes, "_join", lambda: None)
    monkeypatch.setattr("accelerate.utils.gather_object", closed)
    with pytest.raises(LostProcessError, match="All rows that were done are kept"):
        Processes(0, 2).gather(1)
