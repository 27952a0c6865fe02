"""Bootstrap intervals of AUROCs and of their differences, rows drawn anew with replacement."""

from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 1_000
SEED = 0


def resampled_aurocs(
    scores: Mapping[str, Sequence[float]], right: Sequence[bool]
) -> dict[str, np.ndarray]:
    """AUROC of each score in the same resamples of the rows; ties count half.

    Args:
        scores: of each name a score of every row.
        right: of every row whether it is right.

    Returns:
        float64[R] for each name, R at most `RESAMPLES`: a resample whose rows are all right or all
        wrong has no AUROC and is left out.
    """
    n, is_right = len(right), np.array(right, bool)
    levels = {name: np.unique(values, return_inverse=True)[1] for name, values in scores.items()}
    random = np.random.default_rng(SEED)
    found: dict[str, list[float]] = {name: [] for name in scores}
    for _ in range(RESAMPLES if n else 0):
        times_drawn = np.bincount(random.integers(n, size=n), minlength=n)
        drawn_right = times_drawn * is_right
        drawn_wrong = times_drawn - drawn_right
        if drawn_right.any() and drawn_wrong.any():
            for name, level in levels.items():
                found[name].append(_auroc(level, drawn_right, drawn_wrong))
    return {name: np.array(values) for name, values in found.items()}


def _auroc(level: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> float:
    """AUROC of rows that count several times.

    Args:
        level: int64[n], rank of each row's score, equal scores having one rank.
        right: int64[n], the times that each row counts as a right one.
        wrong: int64[n], the times that each row counts as a wrong one.
    """
    at_level = np.bincount(level, wrong)
    below = np.cumsum(at_level) - at_level
    in_order = np.bincount(level, right) @ (below + at_level / 2)
    return float(in_order / (right.sum() * wrong.sum()))


def interval(values: np.ndarray) -> tuple[float, float] | None:
    """95% percentile interval of resampled values; None of none."""
    if not len(values):
        return None
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
