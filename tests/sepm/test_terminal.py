"""What reaches the terminal of texts that come from elsewhere."""

import io
import json
import os
import subprocess
import sys

import pytest

from sepm.progress import tell
from sepm.terminal import (
    bear_any_encoding,
    complain,
    outlive_standard_error,
    printable,
    show,
    show_json,
)

HOSTILE = "a\x1b[2J\r\x9b1m\u202eb\u2066.png\x07"
WRITTEN_OUT = r"a\x1b[2J\r\x9b1m\u202eb\u2066.png\x07"


def test_control_and_bidirectional_characters_are_written_out() -> None:
    assert printable(HOSTILE) == WRITTEN_OUT


def test_what_only_is_read_stays_as_it_is() -> None:
    text = "α ≤ 0.1\tété 情感 \u0645\u06cc\u200c\u062e\u0648 👩\u200d👧\n"
    assert printable(text) == text


@pytest.mark.parametrize("say", [show, complain, tell])
def test_no_way_to_the_terminal_leaves_them(say, capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    shown = capsys.readouterr()
    assert WRITTEN_OUT in shown.out + shown.err
    assert "\x1b" not in shown.out + shown.err


def test_printed_json_is_ascii_and_reads_back_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": f"{HOSTILE}\x7f情\udce9", "p": 0.25}
    show_json(value)
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isascii()
    assert printed.replace("\n", "").isprintable()
    assert json.loads(printed) == value


def test_a_list_of_numbers_is_one_line_of_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    value = [{"s": [1, 0.5, -2e-09, None], "[": ["[\n1", "2\n]"], "n": [[1, 2], []], "o": [{}]}]
    show_json(value)
    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert '  "s": [1, 0.5, -2e-09, null],\n' in printed
    assert '   "[\\n1",\n' in printed
    assert "   [1, 2],\n   []\n" in printed


def test_a_number_that_json_cannot_say_is_not_printed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        show_json({"p": float("nan")})


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_stream_writes_out_what_its_encoding_lacks(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    bear_any_encoding()
    show("α = 0.1, no UTF-8: \udce9")
    sys.stdout.flush()
    alpha = "α" if encoding == "utf-8" else r"\u03b1"
    assert raw.getvalue().decode(encoding) == f"{alpha} = 0.1, no UTF-8: \\udce9\n"


def test_a_command_answers_in_ascii() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sepm", "eval", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"Confidence threshold \u03b1" in done.stdout


# ---- standard error that takes no more


def test_lines_for_a_reader_that_has_gone_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as log:
        monkeypatch.setattr(sys, "stderr", log)
        outlive_standard_error()
        sys.stderr.writelines(["a\n", "b\n"])
        complain("c")
        assert os.path.samestat(os.fstat(log.fileno()), os.stat(os.devnull))


def test_a_reader_that_is_only_slow_gets_what_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader, "rb", buffering=0) as read, os.fdopen(writer, "w", buffering=1) as log:
        monkeypatch.setattr(sys, "stderr", log)
        outlive_standard_error()
        for _ in range(200):
            complain("x" * 1000)
        read.read(1 << 20)
        complain("the reason")
        assert read.read(1 << 20).endswith(b"the reason\n")


CLOSED = """
import os, sys
from sepm.cli import main
assert main(["methods"]) == 0
assert main(["nothing"]) == 2
sys.stdout.flush()
for descriptor in sys.argv[1:]:
    assert os.path.samestat(os.fstat(int(descriptor)), os.stat(os.devnull))
"""


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_command_does_its_work_though_a_stream_is_closed(descriptor: int) -> None:
    closing = f'"$0" -c "$1" {descriptor} {descriptor}>&-'
    done = subprocess.run(
        ["sh", "-c", closing, sys.executable, CLOSED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert ("zero-shot" in done.stdout) == (descriptor == 2)
    assert ("unknown command" in done.stderr) == (descriptor == 1)
