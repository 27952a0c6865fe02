"""What every command says of a path that is not there, or of a folder with nothing in it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NO_RUN = "no run: absent is no folder; give a run's folder, or one above it"
NO_QUESTIONS = (
    "no question file: absent is no file; `sepm questions TASK --root DIR --output absent`"
)
NO_IMAGES = "no image folder: absent is no folder; give the one"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("confidence absent", NO_RUN),
        ("export absent --format lmms-eval", NO_RUN),
        ("report absent", NO_RUN),
        ("votes absent --question-file {questions}", NO_RUN),
        ("confidence empty", "empty holds no finished run"),
        ("compare absent {run}", "absent holds no run: a run's folder has predictions.jsonl"),
        ("softgate empty {run}", "empty holds no run: a run's folder has predictions.jsonl"),
        ("votes {run} --question-file absent", NO_QUESTIONS),
        ("votes {run} --question-file empty", "no question file: empty is a folder; `sepm quest"),
        ("check --question-file absent --image-folder empty", NO_QUESTIONS),
        ("check --question-file {questions} --image-folder absent", NO_IMAGES),
        ("{table} --question-file absent --image-folder empty", NO_QUESTIONS),
        ("{table} --question-file {questions} --image-folder absent", NO_IMAGES),
        ("evidence {run} --maps absent", "no maps: absent is no file or folder; give a folder of"),
        ("evidence {run} --maps empty --image-folder absent", NO_IMAGES),
        ("figures {run} --image-folder absent", NO_IMAGES),
        ("report {run} --image-folder emoset=absent", NO_IMAGES),
        ("predict absent --model-path {model}", "no image: no file or folder absent; give images"),
        ("predict empty --model-path {model}", "no image in empty (.jpg, .jpeg"),
        ("predict absent --model-path absent", "no checkpoint: absent is no folder, nor a hub id"),
        pytest.param(
            "web --dataset absent.toml",
            "no taxonomy file: absent.toml is no file; `sepm tasks`",
            marks=pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed"),
        ),
        ("questions folder --root absent --taxonomy emoset --output q.jsonl", "no such file or"),
    ],
)
def test_it_is_named_with_what_to_do_and_nothing_is_computed(
    line: str,
    said: str,
    finished: Any,
    scenes: Any,
    tiny_model: Path,
    run_sepm: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    table = f"table 3 --tasks emoset --model-path {tiny_model}"
    run, questions = finished["sepm"].folder, scenes.question_file
    words = line.format(run=run, questions=questions, model=tiny_model, table=table).split()
    shown = run_sepm(words, status=2)
    assert said in shown.err
    assert shown.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
