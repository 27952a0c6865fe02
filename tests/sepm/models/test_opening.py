"""A checkpoint is inspected once a command, however many runs, tasks or precisions it has."""

import re
from pathlib import Path
from typing import Any

import pytest

from llava.checkpoints import files
from sepm.cli import main
from sepm.models import opening
from sepm.models.options import ModelOptions

LAYERS = ("--sparsevlm-layers", "0", "1", "2")


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the checkpoints that were inspected, and of their configurations that were read."""
    found: list[str] = []
    whole, read = opening.find_checkpoint, files.read_json

    def counted(options: Any) -> Any:
        found.append(options.model_path)
        return whole(options)

    def counted_reading(folder: Path, name: str) -> Any:
        if name == "config.json":
            found.append(str(folder / name))
        return read(folder, name)

    monkeypatch.setattr(opening, "find_checkpoint", counted)
    monkeypatch.setattr(opening, "read_json", counted_reading)
    for module in ("family", "llava", "parts"):
        monkeypatch.setattr(f"llava.checkpoints.{module}.read_json", counted_reading)
    return found


@pytest.mark.parametrize(
    "command",
    [
        "eval --method zero-shot sepm",
        "table 1 2 --tasks emoset",
        "sensitivity --betas 0.1 0.2",
        "audit --method zero-shot --dtypes float32 bfloat16 --output report.json",
        "predict",
    ],
    ids=lambda command: command.split()[0],
)
def test_a_command_inspects_its_checkpoint_once(
    command: str,
    tiny_model: Path,
    scenes: Any,
    inspected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *options = command.split()
    if name == "predict":
        data = [str(scenes.image_folder / scenes.questions()[0]["image"])]
    else:
        data = ["--question-file", str(scenes.question_file), "--limit", "2"]
        data += ["--image-folder", str(scenes.image_folder)]
    layers = LAYERS if name == "table" else ()
    line = [name, *options, "--model-path", str(tiny_model), "--device", "cpu", *data, *layers]
    assert main(line) == 0
    assert inspected.count(str(tiny_model)) == 1
    assert inspected.count(str(tiny_model / "config.json")) == 1


def test_loading_is_told_with_the_size_of_the_files_and_the_time(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = opening.open_model(ModelOptions(model_path=str(tiny_model), device="cpu"))
    assert "loading" not in capsys.readouterr().err
    size = sum(path.stat().st_size for path in opened.checkpoint.identity_files().values())
    assert opened.model.prompt_format
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"note: loading {opened.name} ({size / 1e6:.1f} MB) on cpu"
    assert re.fullmatch(rf"note: loaded {opened.name} in \d+\.\d s", second)
