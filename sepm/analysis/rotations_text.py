"""What the order of the options decides, as a document."""

from typing import Any

from sepm.analysis import plain_text as text
from sepm.documents import Document


def rotations_document(name: str, rotations: dict[str, Any]) -> Document:
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
