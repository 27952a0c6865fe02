"""Rotated orders of the options, and the answer that the mean probability over them gives."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from sepm.errors import InputError
from sepm.method.taxonomy import EmotionClass, Taxonomy, renumbered


def rotated_orders(taxonomy: Taxonomy, number: int) -> list[tuple[EmotionClass, ...]]:
    """The first orders of a task's n options, each with the letters A, B, C, … in order.

    In order r, from 0, option k is class (k + r) mod n of the task's list. Order 0 is the list
    itself. Over all n orders every class stands once behind every letter.

    Raises:
        InputError: there are not that many different orders.
    """
    classes = taxonomy.classes
    if number > len(classes):
        raise InputError(
            f"rotations must be at most {len(classes)}, the number of options of task "
            f"{taxonomy.name}, got {number}"
        )
    return [renumbered(classes[r:] + classes[:r]) for r in range(number)]


def mean_probabilities(
    probs: Sequence[Mapping[str, float]], taxonomy: Taxonomy
) -> dict[str, float]:
    """Mean probability of each class over the orders, under the class's letter in the full list.

    Args:
        probs: probability of each letter in order 0, 1, …; of the softmax over the whole
            vocabulary, and not normalized over the letters.
    """
    orders = rotated_orders(taxonomy, len(probs))
    of_class = [
        {c.name: p[c.option_letter] for c in order} for p, order in zip(probs, orders, strict=True)
    ]
    return {c.option_letter: fmean(p[c.name] for p in of_class) for c in taxonomy.classes}


def likeliest(probs: Mapping[str, float]) -> str:
    """The letter with the highest probability; of equal ones the first."""
    return max(probs, key=lambda letter: probs[letter])
