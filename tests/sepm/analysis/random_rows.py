"""Records drawn at random, of a task with two positive and two negative classes."""

from pathlib import Path
from typing import Any

import numpy as np

from sepm.analysis.stored_run import StoredRun
from tests.sepm.joys import JOYS

from .test_metrics import BRANCH_LETTERS

Json = dict[str, Any]
BRANCHES = ("positive", "negative", "ambiguous")


def random_rows(number: int, seed: int, *, staged: bool) -> list[Json]:
    """Rows whose answers are often those of the largest probability; every tenth is unread.

    The probabilities of the options do not sum to 1, as those of a whole vocabulary do not.
    """
    random = np.random.default_rng(seed)
    rows = []
    for index in range(number):
        branch = BRANCHES[index % 3] if staged else "ambiguous"
        letters = BRANCH_LETTERS[branch]
        probs = random.dirichlet([0.7] * len(letters)) * random.uniform(0.5, 1)
        shown = [c.name for c in JOYS.classes if c.option_letter in letters]
        label = JOYS.names[random.integers(4)]
        said = random.choice([shown[probs.argmax()], label if label in shown else shown[0]])
        prediction = None if index % 10 == 9 else str(said)
        rows.append(
            {
                **{"question_id": f"{label}/{index}", "image": f"{label}/{index}.png"},
                **{"label": label, "prediction": prediction, "correct": prediction == label},
                **{"status": "ok" if prediction else "unread", "dropped": []},
                "fine": {
                    **{"prompt": "?", "read": "letter" if prediction else None},
                    "probs": dict(zip(letters, probs.tolist(), strict=True)),
                },
            }
        )
        if staged:
            p_a, p_b, _ = random.dirichlet([1.0, 1.0, 0.3]).tolist()
            text = "A" if p_a > p_b else "B"
            coarse = {"p_a": p_a, "p_b": p_b, "text": text, "read": "letter", "off_menu": False}
            rows[-1]["coarse"] = coarse | {"branch": branch}
    return rows


def stored(rows: list[Json], name: str = "a run") -> StoredRun:
    """The run of some rows, without a folder."""
    return StoredRun(Path(name), {"method": name}, rows, JOYS, name)
