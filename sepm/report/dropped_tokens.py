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
from sepm.records.writing import Record
from sepm.report.geometry import VisualGrid
from sepm.report.overlay import SCORE_COLORS, Pixels, faded, heat_map, plain, score_scale
from sepm.report.style import DARK

DROP_RATIOS = (0.2, 0.4)
"""As in the paper's figure."""


@dataclass(frozen=True)
class Scene:
    """A record with its image and the grid of its visual tokens."""

    record: Record
    image: Image.Image
    grid: VisualGrid


def draw_dropped_tokens(scenes: Sequence[Scene]) -> Figure:
    """A row for each scene with `foe_scores`: the image, without its dropped tokens, the scores."""
    figure = Figure(figsize=(7.6, 1.95 * len(scenes) + 0.3), layout="constrained")
    rows = figure.subplots(len(scenes), 2 + len(DROP_RATIOS), squeeze=False)
    for axes, scene in zip(rows, scenes, strict=True):
        image, grid, scores = scene.image, scene.grid, scene.record["foe_scores"]
        show(axes[0], scene, plain(image, grid))
        axes[0].set_ylabel(_caption(scene.record), fontsize=8)
        for ax, ratio in zip(axes[1:], DROP_RATIOS, strict=False):
            show(ax, scene, faded(image, grid, lowest_scored(scores, ratio)))
        draw_scores(axes[-1], scene)
    for ax, title in zip(rows[0], _titles(scenes[0].grid.num_tokens), strict=True):
        ax.set_title(title, fontsize=9)
    return figure


def draw_scores(ax: Axes, scene: Scene) -> None:
    """FoE scores over an image, with their scale."""
    scores = scene.record["foe_scores"]
    show(ax, scene, heat_map(scene.image, scene.grid, scores))
    scale = score_scale(scores)
    low, high = float(scale.vmin or 0), float(scale.vmax or 0)
    ticks = (low, math.sqrt(low * high), high)
    bar = ax.figure.colorbar(
        ScalarMappable(scale, SCORE_COLORS), ax=ax, fraction=0.05, pad=0.03, shrink=0.85
    )
    bar.set_ticks(ticks, labels=[f"{1000 * tick:.3g}" for tick in ticks], minor=False)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label("attention × 10³ (log)", fontsize=7)


def show(ax: Axes, scene: Scene, pixels: Pixels) -> None:
    """Draw a grid's view of an image, with the image's outline where it was padded."""
    ax.imshow(pixels)
    size = scene.image.size
    view = scene.grid.view(*size)
    if (view.width, view.height) != size:
        corner = (-view.left - 0.5, -view.top - 0.5)
        outline = {"fill": False, "edgecolor": DARK, "linewidth": 0.8, "linestyle": (0, (2, 2))}
        ax.add_patch(Rectangle(corner, *size, **outline))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def _titles(n: int) -> list[str]:
    ratios = [
        f"β = {ratio:g}\n{len(lowest_scored(range(n), ratio))} of {n} tokens dropped"
        for ratio in DROP_RATIOS
    ]
    return ["image", *ratios, "FoE score\nof each token"]


def _caption(record: Record) -> str:
    said = f"said {record['prediction']}" if record["prediction"] else record["status"]
    return f"{record['label']}\n({'right' if record['correct'] else said})"
