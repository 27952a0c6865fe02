"""Methods of one run share each image's prefix; that changes what is computed, never the rows."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from llava import Llava, load_checkpoint
from sepm.cli import main
from sepm.datasets.tasks import load_taxonomy
from sepm.inference import batching, shared_images
from sepm.inference.predict import Predictor
from sepm.method.config import MethodConfig
from sepm.registry import MethodRun

from ..same_rows import assert_same_decision, assert_same_rows

BOTH_FAMILIES = True
METHODS = "zero-shot zero-shot-cot fp cci cci+fp sepm"
OPTIONS = ("--batch-size", 4, "--save-scores", "--alpha", 0.02)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def together(scenes: Any, command: Any, run_of: Any, tmp_path_factory: Any) -> dict[str, Any]:
    """Six methods in one run, batches of 4, scores kept."""
    output = tmp_path_factory.mktemp("together")
    assert main(command(scenes, output, *OPTIONS, method=METHODS)) == 0
    return {
        name: run_of(output, f"{name}-alpha0.02" if "cci" in name or "sepm" in name else name)
        for name in METHODS.split()
    }


@pytest.fixture(scope="module")
def alone(together: dict, scenes: Any, tiny_model: Path) -> dict[str, dict[str, Json]]:
    """The decisions of each method about each image by itself, by question id."""
    model, config = load_checkpoint(str(tiny_model)), MethodConfig(alpha=0.02)
    found: dict[str, dict[str, Json]] = {}
    for name in together:
        decide = Predictor(model, MethodRun(name, config), load_taxonomy("emoset"))
        found[name] = {
            question["question_id"]: decide(scenes.image_folder / question["image"]).as_dict()
            for question in scenes.questions()
        }
    return found


@pytest.mark.parametrize("name", METHODS.split())
def test_every_method_gives_the_rows_that_it_gives_alone(
    name: str, together: dict, alone: dict[str, dict[str, Json]]
) -> None:
    rows = together[name].records()
    assert rows.keys() == alone[name].keys()
    for key, decision in alone[name].items():
        assert_same_decision(decision, rows[key])


def test_the_runs_take_every_branch(together: dict) -> None:
    """Without which the tests above would not say much."""
    for name in ("cci", "cci+fp", "sepm"):
        branches = Counter(row["coarse"]["branch"] for row in together[name].records().values())
        assert branches.keys() > {"ambiguous"}, branches


def test_each_image_is_computed_once_and_each_text_behind_it(
    computed: Counter[str], evaluate: Any
) -> None:
    evaluate(method=METHODS)
    # zero-shot, CoT, FP, and both stages of CCI and CCI + FP, whose first is SEPM's too.
    assert computed["texts"] == 4 * 7
    assert computed["images"] == 4
    assert computed["whole prompts"] == 4  # SEPM's images without the dropped tokens


def test_a_method_alone_shares_nothing(computed: Counter[str], evaluate: Any) -> None:
    evaluate(method="cci")
    assert computed == {"whole prompts": 8}


def test_texts_longer_than_the_prefix_are_computed_in_several_passes(
    computed: Counter[str], monkeypatch: pytest.MonkeyPatch, evaluate: Any
) -> None:
    methods = "zero-shot zero-shot-cot fp"

    def predictions() -> list[str]:
        evaluate("--overwrite", method=methods)
        rows = [row for name in methods.split() for row in evaluate.run(name).records().values()]
        return [row["prediction"] for row in rows]

    whole = predictions()
    once = computed.pop("passes")
    monkeypatch.setattr(shared_images, "PACKED_TOKENS", 0)
    assert predictions() == whole
    assert computed["passes"] == 3 * once


@pytest.fixture
def fail_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that lets one pass behind a prefix run out of memory, the n-th."""

    def arrange(number: int) -> None:
        behind, passes = Llava.prefill_with_prefix, [0]

        def failing(*arguments: Any) -> Any:
            passes[0] += 1
            if passes[0] == number:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return behind(*arguments)

        monkeypatch.setattr(Llava, "prefill_with_prefix", failing)

    return arrange


@pytest.mark.parametrize("number", [1, 2, 3])
def test_out_of_memory_behind_a_prefix_goes_on_with_fewer_images(
    number: int, fail_once: Any, together: dict, scenes: Any, evaluate: Any
) -> None:
    fail_once(number)
    said = evaluate(*OPTIONS, scenes=scenes, method=METHODS).err
    assert "out of memory: going on with batches of 2" in said
    for whole in together.values():
        assert_same_rows(evaluate.run(whole.folder.name).records(), whole.records())


def test_a_model_that_shares_no_prefixes_gives_the_same_rows(
    together: dict, monkeypatch: pytest.MonkeyPatch, scenes: Any, evaluate: Any
) -> None:
    monkeypatch.setattr(batching, "PrefixSharingModel", int)  # which no model is
    evaluate(*OPTIONS, scenes=scenes, method=METHODS)
    for whole in together.values():
        assert_same_rows(evaluate.run(whole.folder.name).records(), whole.records())
