"""Prompts that the model has no room for are refused before anything is computed."""

from typing import Any

import pytest

from llava import Llava
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.inference.prompt_check import check_prompts, possible_queries
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Sample
from sepm.registry import MethodRun

EMOSET = load_taxonomy("emoset")


def run(method: str = "sepm", **settings: Any) -> MethodRun:
    return MethodRun(method, MethodConfig(**settings))


def test_a_method_of_two_stages_can_come_to_the_fine_query_of_each_branch() -> None:
    queries = list(possible_queries(run(), Sample("", 16), EMOSET))

    assert len(set(queries)) == 4  # the coarse one, positive, negative, ambiguous
    assert sum("This is an ambiguous emotion." in query for query in queries) == 1


def test_a_method_of_one_stage_has_one_query() -> None:
    assert len(possible_queries(run("zero-shot"), Sample("", 16), EMOSET)) == 1


def test_every_order_of_the_options_is_a_query() -> None:
    queries = possible_queries(run("zero-shot", rotations=3), Sample("", 16), EMOSET)
    assert [query.splitlines()[1] for query in queries] == ["A. Amusement", "A. Anger", "A. Awe"]


def test_prompts_that_fit_with_an_answer_of_128_tokens_pass_and_one_position_fewer_is_refused(
    model: Llava, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = model.language_model.config
    queries = possible_queries(run(), Sample("", 16), EMOSET)
    needed = max(model.tokenize(query).num_text_tokens for query in queries) + 16 + 128

    monkeypatch.setattr(config, "max_position_embeddings", needed)
    check_prompts(model, [run()], EMOSET, {None: "questions.jsonl:1"})
    monkeypatch.setattr(config, "max_position_embeddings", needed - 1)
    with pytest.raises(InputError, match=rf"needs {needed} positions .* has {needed - 1} \(max_po"):
        check_prompts(model, [run()], EMOSET, {None: "questions.jsonl:1"})


def test_a_long_text_of_the_question_file_is_named_with_its_line(model: Llava) -> None:
    texts: dict[str | None, str] = {
        "Which?": "questions.jsonl:1",
        "Which? " * 5000: "questions.jsonl:7",
    }

    check_prompts(model, [run()], EMOSET, texts)  # which does not read them
    with pytest.raises(InputError, match=r"questions.jsonl:7: the prompt needs \d+ positions"):
        check_prompts(model, [run(coarse_query="file")], EMOSET, texts)


def test_ids_that_the_model_has_no_embedding_for_are_refused(
    model: Llava, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.language_model.config, "vocab_size", 300)

    with pytest.raises(InputError, match="the model has embeddings for 300"):
        check_prompts(model, [run()], EMOSET, {None: "the prompts"})
