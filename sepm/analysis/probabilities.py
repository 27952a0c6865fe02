"""Probabilities of a row's final answer, one for each class."""

from collections.abc import Sequence
from math import fsum, log

from sepm.method.taxonomy import Taxonomy
from sepm.records.labels import classes_by_letter
from sepm.records.writing import Record


def final_probabilities(record: Record, taxonomy: Taxonomy) -> tuple[float, ...]:
    """Probability of each class, in the order of the options; their sum is 1.

    It is the softmax probability of the options that the fine query showed, divided by their sum;
    a class that it did not show has 0.
    """
    letters = {c.name: letter for letter, c in classes_by_letter(record, taxonomy).items()}
    stated: dict[str, float] = record["fine"]["probs"]
    shown = [name for name in taxonomy.names if letters.get(name) in stated]
    shares = dict(zip(shown, normalised([stated[letters[name]] for name in shown]), strict=True))
    return tuple(shares.get(name, 0.0) for name in taxonomy.names)


def normalised(weights: Sequence[float]) -> tuple[float, ...]:
    """The weights, all at least 0, divided by their sum; equal shares where all of them are 0.

    The same weights in another order give the same shares to the last bit, so that rows which
    state the same probabilities of other classes are tied.
    """
    total = fsum(weights)
    if not total:
        return (1 / len(weights),) * len(weights)
    return tuple(weight / total for weight in weights)


def margin(shares: Sequence[float]) -> float:
    """Largest of two or more probabilities minus the second largest."""
    second, first = sorted(shares)[-2:]
    return first - second


def entropy(shares: Sequence[float]) -> float:
    """Entropy of probabilities, in nats."""
    return -fsum(share * log(share) for share in shares if share > 0)
