from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sepm.bench import weights
from sepm.bench.letters import answer_with_letters, direction_of_images
from sepm.bench.shapes import Shape
from sepm.bench.variants import CONFIG, Workload, asked_queries
from sepm.bench.weights import random_model
from sepm.datasets.image_files import read_image
from sepm.errors import InputError
from sepm.method.confidence import confidence

CPU = torch.device("cpu")


def pixels_of(workload: Workload) -> torch.Tensor:
    paths = [workload.image_folder / question.image for question in workload.questions]
    return torch.stack([workload.model.preprocess(read_image(path)) for path in paths])


def probabilities(workload: Workload, query: str) -> torch.Tensor:
    model = workload.model
    tokens = model.encode(pixels_of(workload))
    return model.prefill([model.tokenize(query)] * len(tokens), tokens).logits.softmax(dim=-1)


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
    family = workload.shape.name.removeprefix("tiny-")
    model = random_model(tiny_shape(family), CPU, dtype, 0)
    queries, pixels = list(asked_queries(workload.taxonomy).values()), pixels_of(workload)
    answer_with_letters(model, queries, pixels)
    tokens = model.encode(pixels)
    logits = model.prefill([model.tokenize(queries[0])] * len(tokens), tokens).logits
    assert logits.isfinite().all()
    assert set(logits.argmax(dim=-1).tolist()) <= {model.option_id("A"), model.option_id("B")}


def test_a_and_b_lie_apart_where_images_differ_and_queries_do_not() -> None:
    images = torch.tensor([[0.5, 1.0, 0.0, 0.0], [-0.5, -1.0, 0.0, 0.0]])
    queries = torch.tensor([[1.0, 0.0, 0.0, 0.0], [3.0, 0.0, 1.0, 0.0]])
    states = queries[:, None] + images
    products = states @ direction_of_images(states)
    assert products.mean(dim=1).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert products.std().item() == pytest.approx(1.0)


def test_every_answer_begins_with_a_or_b(workload: Workload) -> None:
    letters = {workload.model.option_id(letter) for letter in "AB"}
    for query in asked_queries(workload.taxonomy).values():
        assert set(probabilities(workload, query).argmax(dim=-1).tolist()) <= letters


def test_coarse_answers_differ_between_images_and_some_are_trusted(workload: Workload) -> None:
    probs = probabilities(workload, asked_queries(workload.taxonomy)["coarse, phrase"])
    p_a, p_b = (probs[:, workload.model.option_id(letter)].tolist() for letter in "AB")
    assert {a > b for a, b in zip(p_a, p_b, strict=True)} == {True, False}
    confidences = [confidence(a, b, "population") for a, b in zip(p_a, p_b, strict=True)]
    assert min(confidences) < CONFIG.alpha < max(confidences)


def test_without_the_checkout_the_missing_tokenizer_is_named(
    tiny_shape: Callable[[str], Shape], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "TOKENIZER", tmp_path)
    with pytest.raises(InputError, match=r"no tokenizer in .*checkout of the repository"):
        random_model(tiny_shape("llava"), CPU, torch.float32, 0)


def test_every_answer_ends_after_its_letter(workload: Workload) -> None:
    model, tokens = workload.model, workload.model.encode(pixels_of(workload))
    for query in asked_queries(workload.taxonomy).values():
        prefill = model.prefill([model.tokenize(query)] * len(tokens), tokens)
        assert model.second_tokens(prefill, range(len(tokens))) == [None] * len(tokens)
