"""Labels of a record, and the classes behind its option letters."""

from sepm.baselines.rotations import rotated_orders
from sepm.method.answers import fine_key
from sepm.method.taxonomy import EmotionClass, Taxonomy, renumbered
from sepm.records.fields import answer_given
from sepm.records.writing import Record


def labels_of(record: Record) -> list[str]:
    """The labels that are right: one, or several tied ones."""
    return record.get("labels", [record["label"]])


def classes_by_letter(record: Record, taxonomy: Taxonomy) -> dict[str, EmotionClass]:
    """The class behind each letter that counts as the fine answer, with that letter.

    These are the task's own, unless the query numbered its options anew.
    """
    names: list[str] | None = record["fine"].get("classes")
    own = renumbered(map(taxonomy.by_name, names)) if names else taxonomy.classes
    return {c.option_letter: c for c in own}


def answers_by_order(record: Record, taxonomy: Taxonomy) -> list[EmotionClass | None]:
    """The class that the answer to each order of the options names, with its letter there.

    None: the answer cannot be read.
    """
    rotations: list[Record] = record["rotations"]
    orders = rotated_orders(taxonomy, len(rotations))
    return [_answer(reply, order) for reply, order in zip(rotations, orders, strict=True)]


def _answer(reply: Record, order: tuple[EmotionClass, ...]) -> EmotionClass | None:
    if reply["read"] is None:
        return None
    given = answer_given(reply["text"], reply["read"], fine_key(order))
    return next((c for c in order if c.option_letter == given), None)
