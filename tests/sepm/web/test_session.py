"""A session's decisions are those of every other command, and cost only what is new."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sepm.datasets.tasks import TAXONOMY_FOLDER, load_taxonomy
from sepm.errors import InputError, RunError
from sepm.inference.predict import Predictor
from sepm.method.config import PRESETS
from sepm.models.opening import OpenedModel
from sepm.registry import METHODS
from sepm.web.choice import Choice
from sepm.web.session import LiveImage, Session

from ..same_rows import assert_same_decision

Read = Callable[[Path], LiveImage]
Json = dict[str, Any]

SEPM = Choice()
MAXIMUM = 0.25


def decided(session: Session, image: LiveImage, choice: Choice) -> Json:
    return session.compare(image, choice).decision.as_dict()


def cost(session: Session, image: LiveImage, choice: Choice) -> int:
    return session.compare(image, choice).new_prefills


@pytest.mark.parametrize("preset", PRESETS)
def test_every_method_decides_as_sepm_predict_whatever_was_asked_before(
    session: Session, read: Read, images: list[Path], preset: str
) -> None:
    emoset = load_taxonomy("emoset")
    path = images[0]
    image = read(path)
    for method, alpha, beta in product(METHODS, (0.0, 0.1), (0.25, 0.5)):
        choice = Choice(method=method, preset=preset, alpha=alpha, beta=beta)
        comparison = session.compare(image, choice)
        alone = Predictor(image.model, session.run(choice), emoset)(path)
        assert comparison.decision.as_dict() == {**alone.as_dict(), "image": path.name}
        if method == "zero-shot":
            assert comparison.beside is None
        else:
            zero_shot = decided(session, read(path), replace(choice, method="zero-shot"))
            assert comparison.beside is not None
            assert comparison.beside.as_dict() == zero_shot


def test_random_dropping_is_drawn_by_the_images_own_name(
    opened: OpenedModel, images: list[Path], tmp_path: Path
) -> None:
    session = Session(opened, {"drop": "random"})
    uploaded = tmp_path / "7f3a"
    uploaded.write_bytes(images[0].read_bytes())
    image = session.read(uploaded, images[0].name)
    alone = Predictor(image.model, session.run(SEPM), load_taxonomy("emoset"))(images[0])
    assert decided(session, image, SEPM)["dropped"] == list(alone.outcome.dropped) != []


@pytest.mark.parametrize("method", ["zero-shot", "sepm"])
def test_a_session_says_what_sepm_eval_wrote(
    session: Session, read: Read, scenes: Any, finished: Any, method: str
) -> None:
    for record in finished[method].records().values():
        image = read(scenes.image_folder / record["image"])
        said = decided(session, image, Choice(method=method))
        assert_same_decision(said, record)


def test_alpha_within_a_branch_costs_nothing_and_another_branch_one_prefill(
    session: Session, read: Read, images: list[Path]
) -> None:
    image = read(images[0])
    first = session.compare(image, replace(SEPM, alpha=0.0))
    assert first.new_prefills == first.prefills == 3  # coarse, fine, zero-shot
    coarse = first.decision.outcome.coarse
    assert coarse is not None
    assert coarse.branch != "ambiguous"
    assert 0 < coarse.confidence < MAXIMUM
    assert cost(session, image, replace(SEPM, alpha=coarse.confidence / 2)) == 0
    assert cost(session, image, replace(SEPM, alpha=coarse.confidence)) == 1  # ambiguous now
    assert cost(session, image, replace(SEPM, alpha=MAXIMUM)) == 0
    assert cost(session, image, replace(SEPM, alpha=0.0)) == 0


def test_beta_costs_one_prefill_where_other_tokens_are_dropped(
    session: Session, read: Read, images: list[Path]
) -> None:
    image = read(images[0])
    session.compare(image, replace(SEPM, beta=0.25))  # 4 of 16 visual tokens
    assert cost(session, image, replace(SEPM, beta=0.3)) == 0  # floor(4.8)
    assert cost(session, image, replace(SEPM, beta=0.32)) == 1
    assert cost(session, image, replace(SEPM, beta=0.25)) == 0


def test_methods_share_the_asks_that_they_have_in_common(
    session: Session, read: Read, images: list[Path]
) -> None:
    image = read(images[0])
    assert cost(session, image, Choice(method="zero-shot")) == 1
    assert cost(session, image, Choice(method="fp")) == 1
    assert cost(session, image, Choice(method="cci")) == 2
    assert cost(session, image, Choice(method="sparsevlm")) == 1
    assert cost(session, image, Choice(method="zero-shot")) == 0


def test_another_image_begins_anew(session: Session, read: Read, images: list[Path]) -> None:
    first, second = map(read, images[:2])
    assert cost(session, first, SEPM) == cost(session, second, SEPM) == 3
    assert first.replies != second.replies


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"alpha": 0.3}, r"alpha \(α\) must be in \[0, 0.25\]"),
        ({"beta": 1.0}, r"drop ratio beta \(β\) must be in \[0, 1\), got 1.0"),
        ({"method": "spem"}, "unknown method 'spem'; did you mean 'sepm'"),
        ({"preset": "papr"}, "unknown preset 'papr'; did you mean 'paper'"),
        ({"task": "emosett"}, "unknown task 'emosett'; did you mean 'emoset'"),
        ({"task": "/etc/a.toml"}, "unknown task '/etc/a.toml'"),
        ({"phrase": " "}, "the phrase is empty"),
        ({"phrase": "word " * 2000}, "the prompt needs"),
    ],
)
def test_wrong_controls_are_told_as_on_the_command_line(
    session: Session, read: Read, images: list[Path], changes: Json, said: str
) -> None:
    image = read(images[0])
    with pytest.raises(InputError, match=said):
        session.compare(image, replace(SEPM, **changes))
    assert image.replies == {}


def test_a_taxonomy_file_is_a_task_beside_the_bundled_ones(
    opened: OpenedModel, tmp_path: Path, images: list[Path]
) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((TAXONOMY_FOLDER / "emotion6.toml").read_text())
    session = Session(opened, task=str(own))
    image = session.read(images[0], "a.png")
    mine, bundled = (decided(session, image, Choice(task=t)) for t in (str(own), "emotion6"))
    assert mine == bundled


def test_an_unreadable_image_is_told_by_its_own_name(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "7f3a"
    file.write_text("no image")
    with pytest.raises(InputError, match=r"image photo\.png: not an image that PIL can read"):
        session.read(file, "photo.png")


def test_memory_that_runs_out_is_told_and_the_image_goes_on(
    session: Session, read: Read, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = read(images[0])
    with monkeypatch.context() as patch:
        patch.setattr("sepm.web.session.answer_alone", _too_large)
        with pytest.raises(RunError, match="out of memory"):
            session.compare(image, SEPM)
    assert cost(session, image, SEPM) == 3


def _too_large(*arguments: object) -> None:
    raise RuntimeError("CUDA error: out of memory")
