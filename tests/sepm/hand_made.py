"""Records written by hand, whose every number a test can recompute, without a model."""

from dataclasses import asdict
from typing import Any

from sepm.method.confidence import choose_branch, confidence, is_ambiguous
from sepm.method.config import PRESETS
from sepm.method.dropping import num_dropped

Json = dict[str, Any]

CLASSES = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
POSITIVE = ("amusement", "awe", "contentment", "excitement")
SWEEP = {
    **{"dataset": "emoset", "model": "other", "preset": "paper", "variance": "population"},
    **{"configuration": asdict(PRESETS["paper"]), "alpha": {}, "beta": {"points": []}},
}
"""What `sepm sensitivity` writes, without a point."""
GRID = {
    **{"grid": [4, 4], "order": "row-major", "preprocessing": "pad"},
    **{"input_size": 56, "patch_size": 14},
}
INTERNVL = [[2, 2, x / 3, 0.0, (x + 1) / 3, 1.0] for x in (0, 1, 2)] + [[2, 2, 0.0, 0.0, 1.0, 1.0]]
"""Three tiles beside each other and the thumbnail, four tokens each."""


def row(label: str, number: int, prediction: str | None, p_a: float | None = None) -> Json:
    """A record; with p_a, one of two stages (p_B = 1 - p_A), whose gate `under` adds."""
    key = f"{label}/{label}_{number:05}.png"
    letters = {name: chr(ord("A") + i) for i, name in enumerate(CLASSES)}
    probs = dict.fromkeys(letters.values(), 0.05)
    if prediction:
        probs[letters[prediction]] = 0.5 + number / 1000
    said = letters[prediction] if prediction else "a lovely day"
    coarse = {}
    if p_a is not None:
        answer = {"text": "A" if p_a >= 0.5 else "B", "read": "letter", "off_menu": False}
        coarse["coarse"] = {"prompt": "coarse?", **answer, "p_a": p_a, "p_b": 1 - p_a}
        coarse["foe_scores"] = [(number * 7 + i * 5) % 16 / 100 for i in range(16)]
    return {
        **{"question_id": key, "image": key, "label": label, "prediction": prediction},
        "correct": prediction == label,
        "status": "ok" if prediction else "unread",
        **coarse,
        "dropped": [1, 6, 11] if coarse else [],
        "fine": {
            **{"prompt": "fine?", "text": said, "probs": probs},
            "read": "letter" if prediction else None,
        },
    }


def under(record: Json, settings: Json) -> Json:
    """A record of two stages as it would be with a run's α, variance and β."""
    if "coarse" not in record:
        return record
    p_a, p_b = record["coarse"]["p_a"], record["coarse"]["p_b"]
    value = confidence(p_a, p_b, settings["variance"])
    ambiguous = is_ambiguous(value, settings["alpha"], settings["ambiguous_when"])
    branch = choose_branch(record["coarse"]["text"], p_a, p_b, ambiguous=ambiguous)
    probs = {
        letter: record["fine"]["probs"].get(letter, 0.05)
        for letter, name in zip("ABCDEFGH", CLASSES, strict=True)
        if ambiguous or (name in POSITIVE) == (branch == "positive")
    }
    due = num_dropped(settings["beta"], 16)
    dropped = record["dropped"] if len(record["dropped"]) == due else list(range(due))
    return {
        **record,
        "coarse": {**record["coarse"], "confidence": value, "branch": branch},
        "dropped": dropped,
        "fine": {**record["fine"], "probs": probs},
    }


def tiled(rows: list[Json], tiles: list[list[float]] | None) -> list[Json]:
    """The rows of a model whose images have tokens of their own, 16 each; None: places unknown.

    Where there are dropped tokens, 1, 6 and 14 are; of `INTERNVL` the last lies in the thumbnail.
    """
    own: Json = {"num_visual_tokens": 16} | ({"tiles": tiles} if tiles else {})
    return [{**r, **own, "dropped": [1, 6, 14] if r["dropped"] else []} for r in rows]


def zero_shot_rows(per_class: int = 5) -> list[Json]:
    """Of each class all but the first one or two are taken for anger."""
    return [
        row(label, i, label if i < 1 + (label in POSITIVE) else "anger")
        for label in CLASSES
        for i in range(per_class)
    ]


def sepm_rows(per_class: int = 5) -> list[Json]:
    """Confidence grows with the number; the last row of each class is wrong, one is unread."""
    rows = []
    for label in CLASSES:
        for i in range(per_class):
            distance = 0.5 * (i + 1) / per_class
            said = label if i < per_class - 1 else "fear"
            toward = distance if (label in POSITIVE) == (i != 0) else -distance
            rows.append(row(label, i, said, 0.5 + toward))
    rows[3] = row("amusement", 3, None, 0.9)
    return rows


ROWS = {"zero-shot": zero_shot_rows, "sepm": sepm_rows}
