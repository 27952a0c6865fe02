import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import sepm
from sepm import cli
from sepm.errors import InputError, RunError, did_you_mean, unknown_name
from sepm.method.config import PRESETS
from sepm.registry import METHODS

RunSepm = Callable[..., Any]
HEAVY = ("torch", "transformers", "scipy", "sklearn", "matplotlib")


def in_fresh_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_help_and_a_wrong_name_import_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from sepm.cli import main\n"
        "statuses = [main(line.split()) for line in sys.argv[1:]]\n"
        f"print(statuses, [name for name in {HEAVY} if name in sys.modules])\n"
    )
    wrong = "eval --method spem --model-path m --question-file q --image-folder i"
    finished = in_fresh_python("-c", program, "--help", "eval --help", wrong)
    assert finished.stdout.splitlines()[-1] == "[0, 0, 2] []", finished.stderr
    assert finished.stdout.count("Usage: sepm") == 2
    assert "unknown method 'spem'; did you mean 'sepm'?" in finished.stderr


def test_python_m_sepm_is_the_same() -> None:
    finished = in_fresh_python("-m", "sepm", "--help")
    assert finished.returncode == 0
    assert "Usage: sepm" in finished.stdout


def test_every_command_is_listed_with_what_it_does(run_sepm: RunSepm) -> None:
    text = run_sepm([]).out
    assert text == run_sepm(["--help"]).out
    for name, does in cli.COMMANDS.items():
        assert name in text
        assert " ".join(does.split()[:3]) in text


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_help_that_says_no_default_twice(name: str, run_sepm: RunSepm) -> None:
    text = run_sepm([name, "--help"]).out
    assert text.startswith(f"Usage: sepm {name}")
    assert "None]" not in text
    assert "False]" not in text
    assert "/." not in text  # of a path with a word in angle brackets, which is taken for a tag


def test_the_version_is_the_packages(run_sepm: RunSepm) -> None:
    assert run_sepm(["--version"]).out == f"sepm {sepm.__version__}\n"


def test_the_help_shows_the_default_presets_values(run_sepm: RunSepm) -> None:
    text = " ".join(run_sepm(["eval", "--help"]).out.replace("│", " ").split())
    assert (
        "--alpha FLOAT Confidence threshold α, from 0 to the variance's maximum. [default: 0.1]"
        in text
    )
    assert "visual tokens are dropped. [default: 0.2]" in text
    assert text.index("--fine-question") > text.index("Wording of the queries")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evla", "unknown command 'evla'; did you mean 'eval'? available: eval, predict"),
        ("--verson", "unknown option --verson; did you mean '--version'?"),
        ("eval --methd sepm", "unknown option --methd; did you mean '--method'?"),
        ("tasks --zzz", "unknown option --zzz\n"),
        ("tasks emoset", "there is no place for emoset"),
        ("eval --method sepm", "--model-path is required"),
        ("eval --method sepm --model-path m --question-file", "--question-file needs a value"),
        ("eval --method --model-path m --question-file q --image-folder i", "--method needs a val"),
        ("bench --only", "--only needs a value"),
        ("check --question-file q --image-folder i --workers x", 'unable to convert "x" into int'),
        (
            "eval --method sepm --model-path m --question-file q --image-folder i --drop feo",
            "unknown --drop 'feo'; did you mean 'foe'? available: foe, query",
        ),
        ("table 4 --model-path m", "available: 1, 2, 3, 2+"),
        ("table 1.2 --model-path m", "unknown tables '1.2'"),
        ("table --tables 1", "unknown option --tables\n"),
        ("predict", "IMAGES is required"),
    ],
)
def test_a_wrong_line_is_status_2_with_what_to_do(line: str, said: str, run_sepm: RunSepm) -> None:
    shown = run_sepm(line.split(), status=2)
    assert said in shown.err
    assert "--help` lists what there is" in shown.err
    assert shown.out == ""


EVAL = "eval --method sepm --model-path m --question-file q --image-folder i"


@pytest.mark.parametrize(
    "line",
    [
        *(f"{EVAL} {name}" for name in ("--seed", "--limit", "--batch-size", "--rotations")),
        *(f"{EVAL} {name}" for name in ("--retain", "--sparsevlm-layers 1")),
        *("bench --images", "bench --batch-sizes 1", "bench --threads", "web --port"),
        *("figures runs --per-class", "report runs --thumbnails", "implied-n 50.0 --n"),
        "check --question-file q --image-folder i --workers",
    ],
)
@pytest.mark.parametrize("value", ["1.2", "1e3", "none"])
def test_what_is_no_whole_number_is_refused_and_never_rounded(
    line: str, value: str, run_sepm: RunSepm
) -> None:
    said = run_sepm([*line.split(), value], status=2).err
    assert next(word for word in reversed(line.split()) if word.startswith("--")) in said
    assert value in said


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_no_setting_is_endless_or_no_number(name: str, value: str, run_sepm: RunSepm) -> None:
    assert f"got {value}" in run_sepm([*EVAL.split(), f"--{name}", value], status=2).err


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ("--seed 3", "--seed makes no difference to sepm without --drop random"),
        ("--retain 64", "--retain makes no difference to sepm"),
        ("--seed 3 --drop random", ""),
    ],
)
def test_a_setting_that_makes_no_difference_is_told(
    options: str, note: str, run_sepm: RunSepm
) -> None:
    said = run_sepm([*EVAL.split(), *options.split()], status=2).err.splitlines()
    assert [line for line in said if line.startswith("note:")] == [f"note: {note}"] * bool(note)


def test_all_that_is_not_there_is_told_at_once_before_torch_is_imported() -> None:
    line = "eval --method sepm --model-path ./m --question-file q.jsonl --image-folder i"
    program = (
        "import sys; from sepm.cli import main; "
        f"print(main({line.split()}), 'torch' in sys.modules)"
    )
    finished = in_fresh_python("-c", program)
    assert finished.stdout == "2 False\n"
    for absent in (
        "no checkpoint: ./m",
        "no question file: q.jsonl is no file; `sepm questions",
        "no image folder: i",
    ):
        assert absent in finished.stderr


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("beta is 3"), 2, "sepm tasks: beta is 3"),
        (RunError("it broke"), 1, "sepm tasks: it broke"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_exit_statuses(
    error: BaseException, status: int, said: str, run_sepm: RunSepm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> int:
        raise error

    monkeypatch.setattr("sepm.commands.tasks.run", run)
    shown = run_sepm(["tasks"], status)
    assert said in shown.err
    assert shown.out == ""


def test_methods_presets_and_tasks_are_listed(run_sepm: RunSepm) -> None:
    methods = run_sepm(["methods"]).out
    assert all(method.what in methods for method in METHODS.values())
    assert "variance; phrase with --coarse-query file\n" in methods
    header, variance = (
        next(line for line in run_sepm(["presets"]).out.splitlines() if line.startswith(first))
        for first in ("setting", "variance")
    )
    assert header.split() == ["setting", *PRESETS]
    assert variance.split()[1:] == [preset.variance for preset in PRESETS.values()]
    emoset = next(
        line for line in run_sepm(["tasks"]).out.splitlines() if line.startswith("emoset")
    )
    assert emoset.split("  ")[-1] == "anger, disgust, fear, sadness"


def test_the_nearest_name_is_offered_whatever_its_case() -> None:
    assert did_you_mean("SEPM", ["zero-shot", "sepm"]) == "; did you mean 'sepm'?"
    assert did_you_mean("qqq", ["zero-shot", "sepm"]) == ""


@pytest.mark.parametrize(
    ("typed", "other"),
    [("test", "votes"), ("plot", "report"), ("--n", "--json"), ("--verbose", "--overwrite")],
)
def test_a_name_that_is_not_near_is_not_offered(typed: str, other: str) -> None:
    assert did_you_mean(typed, [other]) == ""


def test_unknown_names_are_told_with_all_that_there_are() -> None:
    assert unknown_name("fruit", "aple", ["apple", "pear"]) == (
        "unknown fruit 'aple'; did you mean 'apple'? available: apple, pear"
    )
    assert unknown_name("fruit", "x", ["apple"]) == "unknown fruit 'x'; available: apple"
