import subprocess
import sys
from types import SimpleNamespace

import pytest

from sepm import cli
from sepm.errors import InputError, RunError, did_you_mean, unknown_name

HEAVY = ("torch", "transformers", "scipy", "sklearn", "matplotlib")


def in_fresh_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("--help", 0, "usage: sepm"),
        ("eval --help", 0, "usage: sepm"),
        (
            "eval --method spem --model-path m --question-file q --image-folder i",
            2,
            "unknown method 'spem'; did you mean 'sepm'?",
        ),
    ],
)
def test_help_and_a_wrong_name_import_nothing_heavy(line: str, status: int, said: str) -> None:
    program = (
        "import sys\n"
        "from sepm.cli import main\n"
        "try:\n"
        "    sys.exit(main(sys.argv[1:]))\n"
        "finally:\n"
        f"    print('heavy:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    finished = in_fresh_python("-c", program, *line.split())
    assert finished.returncode == status, finished.stderr
    assert said in finished.stdout + finished.stderr
    assert "heavy: []" in finished.stdout


def test_python_m_sepm_is_the_same() -> None:
    finished = in_fresh_python("-m", "sepm", "--help")
    assert finished.returncode == 0
    assert "usage: sepm" in finished.stdout


def test_every_command_is_listed_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name, does in cli.COMMANDS.items():
        assert name in text
        assert " ".join(does.split()[:3]) in text


@pytest.mark.parametrize("arguments", [[], ["evil"]])
def test_no_command_or_an_unknown_one_is_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("beta is 3"), 2, "sepm try: beta is 3"),
        (RunError("it broke"), 1, "sepm try: it broke"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, "the same command goes on from there"),
    ],
)
def test_errors_become_exit_statuses(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: object) -> int:
        raise error

    module = SimpleNamespace(run=run)
    assert cli._run(module, SimpleNamespace(command="try")) == status  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_the_nearest_name_is_offered_whatever_its_case() -> None:
    assert did_you_mean("SEPM", ["zero-shot", "sepm"]) == "; did you mean 'sepm'?"
    assert did_you_mean("qqq", ["zero-shot", "sepm"]) == ""


def test_unknown_names_are_told_with_all_that_there_are() -> None:
    assert unknown_name("fruit", "aple", ["apple", "pear"]) == (
        "unknown fruit 'aple'; did you mean 'apple'? available: apple, pear"
    )
    assert unknown_name("fruit", "x", ["apple"]) == "unknown fruit 'x'; available: apple"
