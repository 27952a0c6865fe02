"""Whether the last images of a long run cost what the first ones did."""

from collections.abc import Sequence
from typing import Any

from sepm.bench.measure import Tick


def linearity(ticks: Sequence[Tick], window: int) -> dict[str, Any] | None:
    """Time per image and memory over the first and the last tenth of a pass of one run.

    Answers come a window at a time, so a tenth is rounded up to whole windows. The first window,
    in which the images' loading starts up and memory is taken, is left out, and so is a last one
    that is not full.

    Args:
        ticks: one for each image, in the order of time.
        window: images of a window.

    Returns:
        None where the run is too short: two tenths and the first window do not fit.
    """
    full = len(ticks) // window
    tenth = max(1, -(-len(ticks) // (10 * window)))
    if full < 1 + 2 * tenth:
        return None
    ends = [ticks[(number + 1) * window - 1] for number in range(full)]
    first, last = (
        (ends[end].seconds - ends[begin].seconds) / (tenth * window)
        for begin, end in ((0, tenth), (full - 1 - tenth, full - 1))
    )
    return {
        "images": len(ticks),
        "images_of_a_tenth": tenth * window,
        "first_tenth_ms_per_image": 1000 * first,
        "last_tenth_ms_per_image": 1000 * last,
        "last_over_first": last / first,
        "first_tenth_resident_gb": ends[tenth].resident_bytes / 1e9,
        "last_tenth_resident_gb": ends[full - 1].resident_bytes / 1e9,
    }
