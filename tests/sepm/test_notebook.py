"""The README's first Python, as written there, and what its functions refuse."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sepm
from sepm.cli import main
from sepm.datasets.options import DataOptions
from sepm.errors import InputError
from sepm.models.opening import OpenedModel

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo"
IMAGE = DEMO / "image" / "fear" / "fear_00000.png"


@pytest.fixture(scope="module")
def model() -> OpenedModel:
    return sepm.load_model(DEMO / "llava-demo", device="cpu")


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
        ({"drop": "rndom"}, "unknown drop 'rndom'; did you mean 'random'"),
    ],
)
def test_wrong_settings_are_told(model: OpenedModel, settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sepm.predict(model, IMAGE, **settings)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dtype": "half"}, "unknown dtype 'half'; available: auto, float16"),
        ({"attention": "flash"}, "unknown attention 'flash'.* available: sdpa, eager"),
        ({"processor": "max_pixels=4"}, "Expected `array`, got `str`"),
        ({"revision": "main"}, "unknown setting 'revision'"),
    ],
)
def test_wrong_options_of_a_model_are_told(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sepm.load_model(DEMO / "llava-demo", **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_bad_image": "ignore"}, "unknown on_bad_image 'ignore'; available: stop, skip"),
        ({"limit": "4"}, "Expected `int | null`, got `str`"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"save_scores": "no"}, "Expected `bool`, got `str`"),
        ({"batch_size": 0}, "batch size must be from 1 to 512, got 0"),
    ],
)
def test_wrong_options_of_an_evaluation_are_told(
    model: OpenedModel, tmp_path: Path, options: dict, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        sepm.evaluate(model, DEMO / "stage_1.jsonl", DEMO / "image", output_dir=tmp_path, **options)


def test_what_is_no_model_no_image_and_no_method_is_told(model: OpenedModel) -> None:
    anything: Any = str(IMAGE)
    with pytest.raises(InputError, match=r"model: sepm.load_model gives one, got str"):
        sepm.predict(anything, IMAGE)
    with pytest.raises(InputError, match=r"model: sepm.load_model gives one, got str"):
        sepm.evaluate(anything, DEMO / "stage_1.jsonl", DEMO / "image")
    with pytest.raises(InputError, match="image: a path or an image of Pillow is wanted, got list"):
        sepm.predict(model, [anything])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="method: none was given"):
        sepm.evaluate(model, DEMO / "stage_1.jsonl", DEMO / "image", [])
    for names, said in ((None, "several are wanted, got NoneType"), ([["fp"]], "got list")):
        with pytest.raises(InputError, match=f"method: .*{said}"):
            sepm.evaluate(model, DEMO / "stage_1.jsonl", DEMO / "image", names)  # type: ignore[arg-type]
    for setting in ("method", "preset"):
        with pytest.raises(InputError, match=f"{setting}: a name is wanted, got list"):
            sepm.predict(model, IMAGE, **{setting: ["sepm"]})  # type: ignore[arg-type]


def test_a_notebook_shows_a_decision_in_a_line(model: OpenedModel) -> None:
    shown = repr(sepm.predict(model, IMAGE, beta=0.2))
    assert shown == "Decision('fear' by sepm, dropped 12 of 64 visual tokens)"


def test_a_setting_that_the_method_does_not_read_is_told(
    model: OpenedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    sepm.predict(model, IMAGE, "zero-shot", beta=0.4)
    assert "note: --beta makes no difference to zero-shot" in capsys.readouterr().err
    sepm.predict(model, IMAGE, "zero-shot", beta=0.4)  # once is enough for a loop over images
    sepm.predict(model, IMAGE, beta=0.4)
    assert "makes no difference" not in capsys.readouterr().err


def test_numbers_of_numpy_are_settings(model: OpenedModel) -> None:
    beta, seed = np.linspace(0, 0.4, 3)[1], np.arange(4)[3]
    decision = sepm.predict(model, IMAGE, drop="random", beta=beta, seed=seed)
    assert (
        decision.as_dict() == sepm.predict(model, IMAGE, drop="random", beta=0.2, seed=3).as_dict()
    )


@pytest.mark.parametrize("layers", [np.arange(3), tuple(np.arange(3)), range(3)])
def test_a_sequence_of_numbers_may_be_of_numpy(model: OpenedModel, layers: Any) -> None:
    decision = sepm.predict(model, IMAGE, "sparsevlm", sparsevlm_layers=layers)
    assert decision.config.sparsevlm_layers == (0, 1, 2)


def test_an_unreadable_image_is_told(model: OpenedModel) -> None:
    with pytest.raises(InputError, match=r"image nowhere\.png: no such file"):
        sepm.predict(model, "nowhere.png")


def blocks(page: str) -> list[str]:
    """Python that a page shows."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


def test_the_table_of_several_runs_in_the_docs_is_made_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("docs/statistics.md")
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    exec(code.replace("**demo,", "**demo, limit=8,"), {})
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(" & ")[:2] for row in rows] == [["0.05", "0.1"], ["0.2", "0.4"]]
    assert all(row.endswith(r"\\") and 0 <= float(row.split(" & ")[4][:-3]) <= 1 for row in rows)


def test_the_question_file_of_a_list_of_labels_is_made_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks("data/README.md")
    monkeypatch.chdir(tmp_path)
    image = "fear 0.PNG"
    Path(image).write_bytes(IMAGE.read_bytes())
    Path("labels.csv").write_text(f"file,label\n{image},fear\n")
    exec(code, {})
    options = DataOptions(question_file=Path("photos.jsonl"), image_folder=tmp_path)
    assert [(q.question_id, q.labels) for q in options.read().questions] == [(image, ("fear",))]
