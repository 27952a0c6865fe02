"""Selectors that read no text, against plain transcriptions of their papers; and the control."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from sepm.errors import RunError
from sepm.method.config import Drop, MethodConfig
from sepm.method.dialogue import Reply, Sample
from sepm.method.dropping import highest_scored, lowest_scored
from sepm.token_dropping.divprune import cosine_distances, most_diverse
from sepm.token_dropping.selectors import SELECTORS, dropped_tokens
from tests.pretended_gpu import pretended_gpu

SCORES = (5.0, 1.0, 4.0, 2.0, 9.0, 8.0, 7.0, 6.0, 3.0, 10.0)
COARSE = Reply("A", "A", {"A": 0.9, "B": 0.1}, SCORES)


def chosen(drop: Drop, beta: float, image: Any = None) -> tuple[int, ...]:
    sample = Sample("awe/1.jpg", 10, image=image)
    return dropped_tokens(sample, COARSE, MethodConfig(drop=drop, beta=beta))


def transcribed(features: torch.Tensor, count: int) -> list[int]:
    """DivPrune's greedy algorithm as the paper tells it, a token and a pair at a time."""

    def distance(i: int, j: int) -> float:
        return 1 - float(cosine_similarity(features[i], features[j], dim=0))

    def nearest(i: int, others: Sequence[int]) -> float:
        return min(distance(i, j) for j in others)

    everyone = range(len(features))
    kept = [max(everyone, key=lambda i: nearest(i, [j for j in everyone if j != i]))]
    while len(kept) < count:
        rest = [i for i in everyone if i not in kept]
        kept.append(max(rest, key=lambda i: nearest(i, kept)))
    return kept


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_divprune_keeps_what_the_papers_greedy_algorithm_keeps(count: int) -> None:
    features = torch.randn(12, 5, generator=torch.Generator().manual_seed(count))
    assert most_diverse(cosine_distances(features), count) == set(transcribed(features, count))


def test_divprune_drops_one_of_two_that_are_alike() -> None:
    features = torch.eye(10)
    features[7] = features[3] * 5  # the same direction: distance 0
    assert chosen("divprune", 0.1, SimpleNamespace(features=features)) == (7,)


def test_divprune_takes_a_token_of_zeros_for_far_from_all_and_refuses_what_is_no_number() -> None:
    features = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    features[5] = 0
    distances = cosine_distances(features)
    assert distances[5].tolist() == [1.0] * 16
    assert most_diverse(distances, 8) != set(range(8))
    features[3, 0] = float("inf")
    with pytest.raises(RunError, match="not numbers"):
        cosine_distances(features)


def test_divprune_takes_no_memory_of_the_device() -> None:
    with pretended_gpu() as log:
        features = torch.eye(16, device="cuda", dtype=torch.float16)
        log.clear()
        before = log.peak
        cosine_distances(features)
        assert log.peak == before > 0


def test_cls_drops_what_the_class_token_attends_to_least() -> None:
    image = SimpleNamespace(cls_attention=torch.tensor(SCORES))
    assert chosen("cls", 0.3, image) == lowest_scored(SCORES, 0.3) == (1, 3, 8)


def test_the_control_drops_the_most_significant() -> None:
    assert chosen("highest", 0.3) == highest_scored(SCORES, 0.3) == (4, 5, 9)
    assert chosen("foe", 0.3) == (1, 3, 8)


@pytest.mark.parametrize("drop", SELECTORS)
def test_every_selector_drops_floor_beta_n_tokens_ascending(drop: Drop) -> None:
    features = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    image = SimpleNamespace(features=features, cls_attention=torch.tensor(SCORES))
    for beta in (0.0, 0.15, 0.5, 0.95):
        found = chosen(drop, beta, image)
        assert list(found) == sorted(set(found))
        assert len(found) == int(beta * 10)


@pytest.mark.parametrize("drop", ["cls", "divprune", "highest"])
def test_an_evaluation_drops_by_it_and_keeps_scores_only_where_there_are_some(
    drop: str, evaluate: Any
) -> None:
    evaluate("--drop", drop, "--save-scores", "--beta", 0.5)
    run = evaluate.run(f"sepm-drop-{drop}-beta0.5")
    for record in run.records().values():
        assert len(record["dropped"]) == 8
        assert ("foe_scores" in record) == (drop == "highest")


def test_a_tower_without_a_class_token_is_refused(evaluate: Any, tiny_vila: Any) -> None:
    said = evaluate("--drop", "cls", "--model-path", tiny_vila, status=2).err
    assert "--drop cls needs the CLS attention of its vision tower, which vila-tiny" in said
    evaluate("--drop", "divprune", "--model-path", tiny_vila)
