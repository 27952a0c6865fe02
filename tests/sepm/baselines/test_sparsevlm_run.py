"""The method `sparsevlm`, from its query to its rows."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from llava import Llava, load_checkpoint
from sepm.cli import main
from sepm.datasets.tasks import load_taxonomy
from sepm.inference.answering import answer_batch, prepare
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Sample
from sepm.records.writing import token_usage
from sepm.registry import METHODS

EMOSET = load_taxonomy("emoset")
CONFIG = MethodConfig(retain=64, sparsevlm_layers=(0, 1, 2))
OPTIONS = ("--retain", 64, "--sparsevlm-layers", 0, 1, 2)
FOLDER = "sparsevlm-retain64-layers0-1-2"


def first_ask(method: str) -> Ask:
    return next(METHODS[method].recipe(Sample("awe/1.png", 16), EMOSET, CONFIG))


@pytest.fixture(scope="module")
def model(tiny_llava: Path) -> Llava:
    return load_checkpoint(str(tiny_llava))


@pytest.fixture(scope="module")
def sparse_run(
    tmp_path_factory: pytest.TempPathFactory,
    scenes: Any,
    command: Callable[..., list[str]],
    run_of: Callable[..., Any],
) -> Any:
    """SparseVLM and zero-shot over 24 scenes in one command; 5 does not divide either's rows."""
    output = tmp_path_factory.mktemp("sparsevlm")
    line = command(scenes, output, *OPTIONS, "--batch-size", 5, method="zero-shot sparsevlm")
    assert main(line) == 0
    return run_of(output, FOLDER)


def test_it_asks_what_zero_shot_asks() -> None:
    sparse, plain = first_ask("sparsevlm"), first_ask("zero-shot")
    assert sparse.query == plain.query
    assert sparse.reduction is not None
    assert plain.reduction is None


def test_a_batch_is_answered_as_its_images_alone_are(model: Llava) -> None:
    noise = np.random.default_rng(1).normal(size=(3, 3, 56, 56)).astype(np.float32)
    images = model.encode(list(noise))
    asks = [prepare(model, first_ask("sparsevlm"))] * 3
    alone = [answer_batch(model, asks[:1], [image])[0] for image in images]
    assert answer_batch(model, asks, images) == alone
    assert len({reply.probs["A"] for reply in alone}) == 3


def test_reported_tokens_are_those_after_each_layer_and_processed_ones_those_before() -> None:
    usage = token_usage((8, 8, 5, 2))
    assert usage == {
        "tokens_after_layer": [8, 5, 2],
        "mean_tokens": 5.0,
        "mean_tokens_processed": 7.0,
    }


def test_a_row_holds_the_tokens_after_each_layer(sparse_run: Any) -> None:
    # 16 tokens against budgets of 66, 30 and 17: one goes and one merged token comes, each time.
    for row in sparse_run.records().values():
        assert row["sparsevlm"]["tokens_after_layer"] == [16, 16, 16]
        assert row["dropped"] == []
        assert "coarse" not in row


def test_the_accuracy_file_holds_the_means_over_rows(sparse_run: Any) -> None:
    rows = [row["sparsevlm"] for row in sparse_run.records().values()]
    assert sparse_run.accuracy()["sparsevlm"] == {
        "mean_tokens": fmean(row["mean_tokens"] for row in rows),
        "mean_tokens_processed": fmean(row["mean_tokens_processed"] for row in rows),
    }


def test_zero_shot_beside_it_has_no_token_counts_and_other_probabilities(
    sparse_run: Any, run_of: Callable[..., Any]
) -> None:
    plain = run_of(sparse_run.folder.parents[2], "zero-shot")
    assert plain.accuracy()["sparsevlm"] is None
    for key, row in plain.records().items():
        assert "sparsevlm" not in row
        assert row["fine"]["prompt"] == sparse_run.records()[key]["fine"]["prompt"]
        assert row["fine"]["probs"] != sparse_run.records()[key]["fine"]["probs"]


def test_version_1_thins_the_image_out(
    tmp_path: Path, scenes: Any, command: Callable[..., list[str]], run_of: Callable[..., Any]
) -> None:
    options = ("--sparsevlm-version", 1, "--retain", 64, "--sparsevlm-layers", 0, 1, "--limit", 4)
    assert main(command(scenes, tmp_path, *options, method="sparsevlm")) == 0
    run = run_of(tmp_path, "sparsevlm-v1-retain64-layers0-1")
    assert run.accuracy()["sparsevlm"]["mean_tokens"] < 16


def test_a_finished_run_goes_on_where_layers_are_given(
    sparse_run: Any, scenes: Any, command: Callable[..., list[str]]
) -> None:
    before = sparse_run.predictions.read_text()
    output = sparse_run.folder.parents[2]
    assert main(command(scenes, output, *OPTIONS, method="zero-shot sparsevlm")) == 0
    assert sparse_run.predictions.read_text() == before


def test_too_few_layers_are_told_before_anything_is_written(
    tmp_path: Path,
    scenes: Any,
    command: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(command(scenes, tmp_path, method="zero-shot sparsevlm")) == 2
    assert (
        "sparsevlm's layers 2, 6, 15 need at least 16 decoder layers, this model has 3; "
        "give --sparsevlm-layers" in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []
