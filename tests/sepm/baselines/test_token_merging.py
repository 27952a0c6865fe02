"""DPC-kNN on numbers that can be followed by hand."""

import pytest
import torch

from sepm.baselines.token_merging import cluster_centres, merge_similar, nearest_centre

POINTS = torch.tensor([[0.0], [0.1], [0.3], [1.0], [1.2], [3.0]])
DISTANCES = (POINTS - POINTS.T).abs()


def test_centres_are_dense_and_far_from_denser_ones() -> None:
    # Of 3 neighbours each, mean d² is .0333 .0167 .0433 .1767 .2833 2.413, separation .1 3 .2 .7
    # .2 1.8, hence the products .097 2.95 .19 .59 .15 .16: the lone point 3.0 is no centre.
    assert cluster_centres(DISTANCES, 3).tolist() == [1, 3, 2]


def test_both_ends_of_the_shortest_distance_are_equally_dense_and_the_lower_index_comes_first() -> (
    None
):
    points = torch.tensor([[0.0], [0.1], [0.3], [1.0], [1.2]])
    assert cluster_centres((points - points.T).abs(), 2).tolist() == [0, 1]


def test_every_point_goes_to_its_nearest_centre() -> None:
    assert nearest_centre(DISTANCES, torch.tensor([1, 3, 2])).tolist() == [0, 0, 2, 1, 1, 1]


def test_a_centre_is_its_own_even_where_another_lies_at_the_same_place() -> None:
    distances = torch.zeros(2, 2)
    assert nearest_centre(distances, torch.tensor([0, 1])).tolist() == [0, 1]


def test_a_cluster_becomes_the_mean_of_its_members() -> None:
    merged = merge_similar(POINTS, 3).flatten().tolist()
    assert merged == pytest.approx([0.05, (1.0 + 1.2 + 3.0) / 3, 0.3])


def test_distances_are_per_dimension() -> None:
    merged = merge_similar(POINTS.expand(-1, 16), 3)
    assert merged[:, 7].tolist() == pytest.approx([0.05, (1.0 + 1.2 + 3.0) / 3, 0.3])


def test_one_cluster_is_the_mean_of_all() -> None:
    assert merge_similar(POINTS, 1).tolist() == [[pytest.approx(5.6 / 6)]]


def test_merged_tokens_keep_the_precision_of_the_model() -> None:
    assert merge_similar(POINTS.half(), 2).dtype == torch.float16
