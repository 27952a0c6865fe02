"""The README's first Python, as written there, and what its functions refuse."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import sepm
from sepm.cli import main
from sepm.errors import InputError
from sepm.models.opening import OpenedModel

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "data" / "demo" / "image" / "fear" / "fear_00000.png"


@pytest.fixture(scope="module")
def model() -> OpenedModel:
    return sepm.load_model(ROOT / "data" / "demo" / "llava-demo", device="cpu")


def test_importing_sepm_imports_no_torch_and_tells_the_version() -> None:
    code = "import sepm, sys; print(sepm.__version__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sepm.__version__, "False"]


def test_the_readmes_first_python_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    decided, measured = capsys.readouterr().out.splitlines()
    assert decided.startswith("fear [")
    assert 0 <= float(measured.split()[0]) <= 1
    assert (tmp_path / "results" / "demo" / "llava-demo" / "sepm" / "accuracy.json").is_file()


def test_a_decision_is_what_the_command_prints_as_json(
    model: OpenedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = sepm.predict(model, str(IMAGE), beta=0.4)
    command = ["predict", str(IMAGE), "--model-path", model.options.model_path, "--beta", "0.4"]
    assert main([*command, "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [json.loads(json.dumps(decision.as_dict()))]
    assert decision.emotion == decision.as_dict()["prediction"]


def test_an_image_may_be_a_path_as_text_a_path_or_a_pil_image(model: OpenedModel) -> None:
    with Image.open(IMAGE) as image:
        decisions = [sepm.predict(model, source) for source in (str(IMAGE), IMAGE, image)]
        unnamed = sepm.predict(model, image.convert("RGB"))
    assert len({json.dumps(decision.as_dict()) for decision in decisions}) == 1
    assert unnamed.as_dict() == {**decisions[0].as_dict(), "image": ""}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"betta": 0.2}, "unknown setting 'betta'; did you mean 'beta'"),
        ({"beta": "0.2"}, "settings: Expected `float`, got `str`"),
        ({"preset": "papr"}, "unknown preset 'papr'; did you mean 'paper'"),
        ({"dataset": "emosett"}, "emosett"),
    ],
)
def test_wrong_settings_are_told(model: OpenedModel, settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sepm.predict(model, IMAGE, **settings)


def test_an_unreadable_image_is_told(model: OpenedModel) -> None:
    with pytest.raises(InputError, match=r"image nowhere\.png: no such file"):
        sepm.predict(model, "nowhere.png")
