"""`sepm web`, and the same as a Space runs it, up to where the page is served."""

import os
import runpy
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

pytest.importorskip("gradio", reason="gradio is not installed: the extra web")

from sepm.cli import main
from sepm.web import demo, server
from sepm.web.choice import Choice
from sepm.web.options import ServerOptions

ROOT = Path(__file__).parents[3]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a command would serve."""
    calls: list[Any] = []
    monkeypatch.setattr(server, "serve", lambda *arguments: calls.append(arguments))
    return calls


def test_it_serves_the_demo_on_this_machine_unless_told(served: list[Any]) -> None:
    assert main(["web"]) == 0
    ((opened, options, choice, settings),) = served
    assert (demo.is_demo(opened), options, choice) == (True, ServerOptions(), Choice())
    assert options.host == "127.0.0.1"
    assert settings == {}


def test_options_are_where_the_controls_begin_or_hold_under_every_preset(
    served: list[Any], tiny_llava: Path
) -> None:
    line = f"web --model-path {tiny_llava} --device cpu --port 7999 --host 0.0.0.0 --method cci "
    line += "--preset released --alpha 0.3 --dataset emotion6 --seed 5 --retain 64"
    assert main(line.split()) == 0
    ((opened, options, choice, settings),) = served
    assert opened.name == tiny_llava.name
    assert options == ServerOptions(host="0.0.0.0", port=7999)
    assert choice == Choice(method="cci", preset="released", alpha=0.3, task="emotion6")
    assert settings == {"seed": 5, "retain": 64}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--port 0", "--port must be from 1 to 65535, got 0"),
        ("--alpha 0.3", "alpha (α) must be in [0, 0.25]"),
        ("--method spem", "unknown method 'spem'; did you mean 'sepm'"),
        ("--dataset emosett", "unknown dataset 'emosett'"),
    ],
)
def test_wrong_options_are_told_before_a_model_is_opened(
    served: list[Any], capsys: pytest.CaptureFixture[str], options: str, said: str
) -> None:
    assert main(["web", "--model-path", "nowhere", *options.split()]) == 2
    assert said in capsys.readouterr().err
    assert served == []


def test_without_gradio_it_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sepm.web.options.find_spec", lambda name: None)
    assert main(["web"]) == 2
    said = "sepm web: the live page needs gradio: pip install -e '.[web]' in the checkout\n"
    assert capsys.readouterr().err == said


def test_the_other_commands_do_not_import_gradio() -> None:
    program = "import sys, sepm.cli, sepm.commands.web; assert 'gradio' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_space_runs_the_demo_for_everybody(served: list[Any]) -> None:
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    ((opened, options, choice),) = served
    assert (demo.is_demo(opened), choice) == (True, Choice())
    assert options == ServerOptions(host="0.0.0.0", port=7860)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_or_a_termination_ends_the_page_in_good_order(
    signal_number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[bool] = []

    @contextmanager
    def serving(*arguments: object) -> Iterator[str]:
        Timer(0.2, os.kill, (os.getpid(), signal_number)).start()
        yield "http://127.0.0.1:7860/"
        ended.append(True)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(server, "serving", serving)
    server.serve(None, ServerOptions(), Choice())  # type: ignore[arg-type]
    assert ended == [True]
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().out == "http://127.0.0.1:7860/   (Ctrl-C ends it)\n"


def test_a_space_installs_what_the_page_depends_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [*project["dependencies"], *project["optional-dependencies"]["web"]]
    assert [line for line in lines if line[0] not in "#-"] == sorted(wanted)
