"""Whether the order of the options decides, from rows that were asked in several orders."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.accuracy import Accuracy, ratio
from sepm.baselines.rotations import rotated_orders
from sepm.documents import Document
from sepm.method.taxonomy import Taxonomy
from sepm.records.labels import answers_by_order, labels_of
from sepm.records.writing import Record


def rotation_summary(run: Sequence[Record], taxonomy: Taxonomy) -> dict[str, Any] | None:
    """Accuracy of each order, in all orders, and of their mean; flips; the prior of each letter.

    Args:
        run: rows that could be run, all of one run.

    Returns:
        None where the options stood in one order only. Else
        `orders`: accuracy of each order r, whose first option is class r of the list;
        `order_mean`: mean of these accuracies, as of an order drawn by chance;
        `mean_probability`: accuracy of the likeliest class of the mean, which is the run's;
        `circular`: accuracy where only a sample that is right in every order counts as right;
        `flipped`, `flip_rate`: samples without the same class in all orders, an unread answer being
        an outcome of its own;
        `same_letter`: samples answered by one and the same letter in all orders, which stands for
        another class in each;
        `letter_prior`: mean probability of each letter over samples and orders.
    """
    rows = [r for r in run if "rotations" in r]
    if not rows:
        return None
    answers = [answers_by_order(row, taxonomy) for row in rows]
    said = [[answer and answer.name for answer in of_row] for of_row in answers]
    letters = [{answer and answer.option_letter for answer in of_row} for of_row in answers]
    right = [
        [name in labels_of(row) for name in names] for row, names in zip(rows, said, strict=True)
    ]
    orders = [_accuracy(column) for column in zip(*right, strict=True)]
    flipped = sum(len({*names}) > 1 for names in said)
    return {
        "orders": [
            {
                "first_option": order[0].name,
                **accuracy.as_json(),
                "unread": sum(names[r] is None for names in said),
            }
            for r, (order, accuracy) in enumerate(
                zip(rotated_orders(taxonomy, len(orders)), orders, strict=True)
            )
        ],
        "order_mean": fmean(ratio(a.correct, a.n) or 0.0 for a in orders),
        "mean_probability": _accuracy([row["correct"] for row in rows]).as_json(),
        "circular": _accuracy([all(of_row) for of_row in right]).as_json(),
        "flipped": flipped,
        "flip_rate": ratio(flipped, len(rows)),
        "same_letter": sum(len(of_row) == 1 and None not in of_row for of_row in letters),
        "letter_prior": letter_prior(rows, taxonomy),
    }


def letter_prior(rows: Sequence[Record], taxonomy: Taxonomy) -> dict[str, float]:
    """Mean probability of each option letter over samples and orders.

    With as many orders as options every class stands once behind every letter, so that what the
    letters differ in is not the classes'. With fewer it is in part.
    """
    probs = [rotation["probs"] for row in rows for rotation in row["rotations"]]
    return {letter: fmean(p[letter] for p in probs) for letter in taxonomy.option_letters}


def _accuracy(right: Sequence[bool]) -> Accuracy:
    return Accuracy(len(right), sum(right))


def as_document(name: str, rotations: dict[str, Any]) -> Document:
    """Accuracy of each order and of all together, the flips, and the prior of each letter.

    Args:
        name: of the run.
        rotations: of `accuracy.json`.
    """
    orders, prior = rotations["orders"], rotations["letter_prior"]
    rows = [
        (str(number), order["first_option"], order, str(order["unread"]))
        for number, order in enumerate(orders)
    ]
    together = {"mean probability": "mean_probability", "right in every order": "circular"}
    rows += [("all", what, rotations[key], "") for what, key in together.items()]
    cells = [
        {"order": order, "first option": first, **text.accuracy_cells(found, "-"), "unread": unread}
        for order, first, found, unread in rows
    ]
    return [
        f"{name}, {len(orders)} orders of the options, percent",
        text.grid(cells, words=2),
        f"mean of the orders' accuracies: {text.percent(rotations['order_mean'])}",
        f"flips: {rotations['flipped']} of {orders[0]['n']} samples have not the same class in all "
        f"orders ({text.percent(rotations['flip_rate'])})",
        f"answered by one letter in all orders, whatever it stands for: {rotations['same_letter']}",
        "mean probability of each letter: "
        + ", ".join(f"{letter} {text.percent(p)}" for letter, p in prior.items()),
    ]
