"""Figure 4: images, what remains of them at two drop ratios, and what the FoE phrase looks at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from sepm.method.dropping import lowest_scored
from sepm.records.record import Record
from sepm.report.geometry import VisualGrid
from sepm.report.overlay import SCORE_COLORS, Pixels, faded, heat_map, plain, score_scale
from sepm.report.style import DARK

DROP_RATIOS = (0.2, 0.4)
"""As in the paper's figure."""

PER_THOUSAND = 1000


@dataclass(frozen=True)
class Scene:
    """A record with its image and the grid of its visual tokens."""

    record: Record
    image: Image.Image
    grid: VisualGrid


def draw_dropped_tokens(scenes: Sequence[Scene]) -> Figure:
    """A row for each scene: the image, the image without its dropped tokens, and the scores.

    Args:
        scenes: their records have `foe_scores`.
    """
    figure = Figure(figsize=(7.6, 1.95 * len(scenes) + 0.3), layout="constrained")
    rows = figure.subplots(len(scenes), 2 + len(DROP_RATIOS), squeeze=False)
    for axes, scene in zip(rows, scenes, strict=True):
        image, grid, scores = scene.image, scene.grid, scene.record["foe_scores"]
        show(axes[0], plain(image, grid), image, grid)
        _caption(axes[0], scene.record)
        for ax, ratio in zip(axes[1:], DROP_RATIOS, strict=False):
            show(ax, faded(image, grid, lowest_scored(scores, ratio)), image, grid)
        draw_scores(axes[-1], image, grid, scores)
    for ax, title in zip(rows[0], _titles(scenes[0]), strict=True):
        ax.set_title(title, fontsize=9)
    return figure


def draw_scores(ax: Axes, image: Image.Image, grid: VisualGrid, scores: Sequence[float]) -> None:
    """FoE scores over an image, with their scale."""
    show(ax, heat_map(image, grid, scores), image, grid)
    scale = score_scale(scores)
    low, high = float(scale.vmin or 0), float(scale.vmax or 0)
    ticks = (low, math.sqrt(low * high), high)
    bar = ax.figure.colorbar(
        ScalarMappable(scale, SCORE_COLORS), ax=ax, fraction=0.05, pad=0.03, shrink=0.85
    )
    bar.set_ticks(ticks, labels=[f"{PER_THOUSAND * tick:.3g}" for tick in ticks], minor=False)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label("attention × 10³ (log)", fontsize=7)


def _titles(scene: Scene) -> list[str]:
    n = scene.grid.num_tokens
    ratios = [
        f"β = {ratio:g}\n{len(lowest_scored(range(n), ratio))} of {n} tokens dropped"
        for ratio in DROP_RATIOS
    ]
    return ["image", *ratios, "FoE score\nof each token"]


def show(ax: Axes, pixels: Pixels, image: Image.Image, grid: VisualGrid) -> None:
    """Draw a grid's view of an image, with the image's outline where it was padded."""
    ax.imshow(pixels)
    view = grid.view(*image.size)
    if (view.width, view.height) != image.size:
        corner = (-view.left - 0.5, -view.top - 0.5)
        outline = {"fill": False, "edgecolor": DARK, "linewidth": 0.8, "linestyle": (0, (2, 2))}
        ax.add_patch(Rectangle(corner, *image.size, **outline))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def _caption(ax: Axes, record: Record) -> None:
    said = f"said {record['prediction']}" if record["prediction"] else record["status"]
    verdict = "right" if record["correct"] else said
    ax.set_ylabel(f"{record['label']}\n({verdict})", fontsize=8)
