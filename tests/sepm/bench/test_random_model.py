from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from llava.language import Prefill
from sepm.bench.workload import CONFIG, SEPM, Workload
from sepm.errors import InputError
from sepm.method.confidence import confidence
from sepm.models import random_llava as module
from sepm.models.random_llava import answer_with_letters, direction_of_images, random_model
from sepm.models.shapes import Shape

CPU = torch.device("cpu")


def prefilled(workload: Workload, query: str) -> Prefill:
    """Prefill of one query about all images."""
    images = workload.model.encode(workload.pixels(len(workload.questions)))
    prompts = [workload.model.tokenize(query)] * len(images)
    return workload.model.prefill(prompts, images, [()] * len(images))


def test_one_seed_gives_one_model(tiny_shape: Callable[[str], Shape]) -> None:
    first, second, other = (
        random_model(tiny_shape("vila"), CPU, torch.float32, seed).state_dict()
        for seed in (0, 0, 1)
    )
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first[name], other[name])


def test_weights_are_made_in_the_precision_asked_for(tiny_shape: Callable[[str], Shape]) -> None:
    model = random_model(tiny_shape("llava"), CPU, torch.float16, 0)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_and_answers_with_letters(
    tiny_shape: Callable[[str], Shape], workload: Workload, dtype: torch.dtype
) -> None:
    family = workload.model.shape.name.removeprefix("tiny-")
    model = random_model(tiny_shape(family), CPU, dtype, 0)
    in_half = replace(workload, model=model)
    queries = workload.queries(SEPM)
    answer_with_letters(model, queries, in_half.pixels(len(workload.questions)))
    logits = prefilled(in_half, queries[0]).logits
    assert logits.isfinite().all()
    assert set(logits.argmax(dim=-1).tolist()) <= {model.option_id("A"), model.option_id("B")}


def test_a_and_b_lie_apart_where_images_differ_and_queries_do_not() -> None:
    images = torch.tensor([[0.5, 1.0, 0.0, 0.0], [-0.5, -1.0, 0.0, 0.0]])
    queries = torch.tensor([[1.0, 0.0, 0.0, 0.0], [3.0, 0.0, 1.0, 0.0]])
    states = queries[:, None] + images
    products = states @ direction_of_images(states)
    assert products.mean(dim=1).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert products.std().item() == pytest.approx(1.0)


def test_every_answer_is_a_or_b_and_the_end(workload: Workload) -> None:
    images = len(workload.questions)
    letters = {workload.model.option_id(letter) for letter in "AB"}
    for query in {query for run in workload.runs for query in workload.queries(run)}:
        prefill = prefilled(workload, query)
        assert set(prefill.logits.argmax(dim=-1).tolist()) <= letters
        assert workload.model.second_tokens(prefill, range(images)) == [None] * images


def test_coarse_answers_differ_between_images_and_some_are_trusted(workload: Workload) -> None:
    probs = prefilled(workload, workload.queries(SEPM)[0]).logits.softmax(dim=-1)
    p_a, p_b = (probs[:, workload.model.option_id(letter)].tolist() for letter in "AB")
    assert {a > b for a, b in zip(p_a, p_b, strict=True)} == {True, False}
    confidences = [confidence(a, b, "population") for a, b in zip(p_a, p_b, strict=True)]
    assert min(confidences) < CONFIG.alpha < max(confidences)


def test_without_the_checkout_the_missing_tokenizer_is_named(
    tiny_shape: Callable[[str], Shape], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOKENIZER", tmp_path)
    with pytest.raises(InputError, match=r"no tokenizer in .*checkout of the repository"):
        random_model(tiny_shape("llava"), CPU, torch.float32, 0)
