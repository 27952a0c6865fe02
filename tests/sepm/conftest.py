"""A tiny data set, command lines over it, and one evaluation that many tests look at."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sepm.cli import main
from sepm.evaluation.preflight import check_images

torch.set_num_threads(1)  # on matrices this small a second thread only waits for the first

EMOSET = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")

Json = dict[str, Any]
Command = Callable[..., list[str]]
RunSepm = Callable[..., Any]


def json_lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Scenes:
    """A question file and the folder of its images."""

    question_file: Path
    image_folder: Path

    def questions(self) -> list[Json]:
        return json_lines(self.question_file)


@dataclass(frozen=True)
class Run:
    """The output folder of one finished run."""

    folder: Path

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.jsonl"

    def records(self) -> dict[str, Json]:
        return {row["question_id"]: row for row in json_lines(self.predictions)}

    def accuracy(self) -> Json:
        return json.loads((self.folder / "accuracy.json").read_text(encoding="utf-8"))

    def lines(self, name: str) -> list[Json]:
        return json_lines(self.folder / name)


MakeScenes = Callable[..., Scenes]


@pytest.fixture(scope="session")
def make_scenes(tmp_path_factory: pytest.TempPathFactory) -> MakeScenes:
    """A function that makes scenes: coloured noise in three shapes, labels in turn.

    Its arguments: how many, and what is put into every row of the question file.
    """

    def make(number: int, **fields: str) -> Scenes:
        folder = tmp_path_factory.mktemp("scenes")
        random = np.random.default_rng(7)
        rows = []
        for index in range(number):
            label = EMOSET[index % len(EMOSET)]
            name = f"{label}/{label}_{index:05}.png"
            height, width = ((32, 32), (24, 40), (44, 28))[index % 3]
            coarse = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            path = folder / "image" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
            rows.append({"question_id": name, "image": name, **fields})
        file = folder / "questions.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Scenes(file, folder / "image")

    return make


@pytest.fixture(scope="session")
def scenes(make_scenes: MakeScenes) -> Scenes:
    """24 scenes, three of each class; to be left as they are."""
    return make_scenes(24)


@pytest.fixture
def own_scenes(make_scenes: MakeScenes) -> Scenes:
    """Four scenes that a test may spoil."""
    return make_scenes(4)


@pytest.fixture
def any_n_is_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a handful of images stand beside the paper's numbers, as its own n would."""
    monkeypatch.setattr("sepm.analysis.paper_values.paper_note", lambda reader, n: None)


FAMILIES = ("tiny_llava", "tiny_vila")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of a module that sets `BOTH_FAMILIES` on each family, if it runs a model."""
    both = getattr(metafunc.module, "BOTH_FAMILIES", False)
    if both and "tiny_model" in metafunc.fixturenames:
        metafunc.parametrize("tiny_model", FAMILIES, indirect=True, scope="session")


@pytest.fixture(scope="session")
def tiny_model(request: pytest.FixtureRequest) -> Path:
    """The checkpoint that command lines name: a LLaVA-1.5, unless a module wants both families."""
    return request.getfixturevalue(getattr(request, "param", FAMILIES[0]))


@pytest.fixture(scope="session")
def language_folder(tiny_model: Path) -> Path:
    """Folder of the language model's weights, relative to the checkpoint."""
    return Path("llm" if (tiny_model / "llm").is_dir() else ".")


@pytest.fixture(scope="session")
def command(tiny_model: Path) -> Command:
    """A function that makes a `sepm eval` command line on the CPU in float32."""

    def make(scenes: Scenes, output: Path, *options: object, method: str = "sepm") -> list[str]:
        return [
            *("eval", "--method", *method.split()),
            *("--model-path", str(tiny_model), "--output-dir", str(output)),
            *("--question-file", str(scenes.question_file)),
            *("--image-folder", str(scenes.image_folder)),
            *("--device", "cpu", "--dtype", "float32"),
            *map(str, options),
        ]

    return make


@pytest.fixture(scope="session")
def run_of(tiny_model: Path) -> Callable[..., Run]:
    """A function that gives the run of a method (its folder's name) in an output directory."""

    def find(output: Path, name: str = "sepm", dataset: str = "emoset") -> Run:
        return Run(output / dataset / tiny_model.name / name)

    return find


@pytest.fixture
def run_sepm(capsys: pytest.CaptureFixture[str]) -> RunSepm:
    """A function that runs a command line to the exit status expected, and gives what it printed.

    Standard output is `out`, standard error is `err`.
    """

    def run(line: Iterable[object], status: int = 0) -> Any:
        capsys.readouterr()
        assert main([*map(str, line)]) == status
        return capsys.readouterr()

    return run


@dataclass(frozen=True)
class Evaluation:
    """`sepm eval` commands over four scenes, or others, that write to one folder."""

    scenes: Scenes
    output: Path
    command: Command
    run_of: Callable[..., Run]
    run_sepm: RunSepm

    def __call__(
        self, *options: object, scenes: Scenes | None = None, method: str = "sepm", status: int = 0
    ) -> Any:
        """What a command prints, which must end with that exit status."""
        line = self.command(scenes or self.scenes, self.output, *options, method=method)
        return self.run_sepm(line, status)

    def run(self, name: str = "sepm") -> Run:
        return self.run_of(self.output, name)

    def counts(self, name: str = "sepm") -> tuple[int, int, int | None]:
        """n, errors and limit of a run."""
        accuracy = self.run(name).accuracy()
        return accuracy["n"], accuracy["errors"], accuracy["limit"]

    def files(self) -> dict[Path, bytes]:
        paths = [path for path in self.output.rglob("*") if path.is_file() and path.name != ".lock"]
        return {path: path.read_bytes() for path in paths}


@pytest.fixture
def evaluate(
    own_scenes: Scenes, tmp_path: Path, command: Command, run_of: Any, run_sepm: RunSepm
) -> Evaluation:
    return Evaluation(own_scenes, tmp_path / "out", command, run_of, run_sepm)


@pytest.fixture
def after_the_check(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """A function that lets something happen once a run has checked its images."""

    def let(happen: Callable[[], object]) -> None:
        def check(*arguments: Any) -> Any:
            found = check_images(*arguments)
            happen()
            return found

        monkeypatch.setattr("sepm.evaluation.evaluate.check_images", check)

    return let


@pytest.fixture(scope="session")
def finished(
    scenes: Scenes,
    command: Command,
    run_of: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Run]:
    """Zero-shot and SEPM in one run over the scenes, batches of 2, scores kept, never disturbed."""
    output = tmp_path_factory.mktemp("finished")
    options = ("--batch-size", 2, "--save-scores")
    assert main(command(scenes, output, *options, method="zero-shot sepm")) == 0
    return {name: run_of(output, name) for name in ("zero-shot", "sepm")}
