from sepm.datasets.tasks import load_taxonomy
from sepm.report.samples import evenly, per_class_samples, round_robin


def test_samples_are_drawn_evenly_from_the_middle_of_equal_parts() -> None:
    assert evenly(range(10), 2) == [2, 7]
    assert evenly(range(3), 5) == [0, 1, 2]


def test_each_class_gives_as_many_samples_in_the_order_of_the_options() -> None:
    records = [{"label": label, "n": n} for label in ("fear", "awe") for n in range(4)]
    found = per_class_samples(records, load_taxonomy("emoset"), 2)
    assert [(r["label"], r["n"]) for r in found] == [
        ("awe", 1),
        ("awe", 3),
        ("fear", 1),
        ("fear", 3),
    ]


def test_strata_take_turns_until_they_are_empty() -> None:
    assert round_robin([["a", "b", "c"], ["x"], ["p", "q"]], 5) == ["a", "x", "p", "b", "q"]
