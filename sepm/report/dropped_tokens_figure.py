"""Figure 4: images, what remains of them at two drop ratios, and what the FoE phrase looks at."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Rectangle
from PIL import Image

from sepm.method.dropping import lowest_scored
from sepm.records.geometry import Box, TokenPlaces
from sepm.records.tiled_grid import PLACES_UNKNOWN, dropped_in_words
from sepm.records.writing import Record
from sepm.report.overlay import SCORE_COLORS, Pixels, faded, heat_map, plain, score_scale
from sepm.report.style import DARK

DROP_RATIOS = (0.2, 0.4)
"""As in the paper's figure."""

SMALL, SMALL_GAP = 0.36, 0.06
"""Sides of the small images that show further covers, and the gap, as shares of the picture's."""


@dataclass(frozen=True)
class Scene:
    """A record with its image and the places of its visual tokens."""

    record: Record
    image: Image.Image
    places: TokenPlaces | None
    """None: not known."""


def draw_dropped_tokens(scenes: Sequence[Scene], scale: LogNorm | None = None) -> Figure:
    """A row for each scene with `foe_scores`: the image, without its dropped tokens, the scores.

    All rows have one scale of colours: the one given, or their own.
    """
    figure = Figure(figsize=(7.6, 1.75 * len(scenes) + 0.4), layout="constrained")
    rows = figure.subplots(len(scenes), 2 + len(DROP_RATIOS), squeeze=False)
    scale = scale or scale_of(scenes)
    for axes, scene in zip(rows, scenes, strict=True):
        show_image(axes[0], scene)
        axes[0].set_ylabel(_caption(scene.record), fontsize=8)
        for ax, ratio in zip(axes[1:], DROP_RATIOS, strict=False):
            draw_dropped(ax, scene, lowest_scored(scene.record["foe_scores"], ratio))
        draw_scores(axes[-1], scene, scale)
    _title_columns(rows)
    draw_scale(figure, scale, ax=list(rows[:, -1]), fraction=0.05, aspect=30, pad=0.03)
    return figure


def scale_of(scenes: Sequence[Scene]) -> LogNorm:
    """One scale of colours for all their scores."""
    return score_scale(scene.record["foe_scores"] for scene in scenes)


def _title_columns(rows: Any) -> None:
    """Put titles above the columns; what all rows of one say alike is said there alone."""
    ratios = [f"β = {ratio:g}" for ratio in DROP_RATIOS]
    titles = ("image", *ratios, "FoE score\nof each token")
    for column, title in zip(rows.T, titles, strict=True):
        said = [ax.get_title() for ax in column]
        for ax in column[1:] if len(set(said)) == 1 else ():
            ax.set_title("")
        column[0].set_title("\n".join(filter(None, (title, said[0]))), fontsize=9)


def show_image(ax: Axes, scene: Scene) -> None:
    """Draw the image."""
    show(ax, scene, lambda cover: plain(scene.image, scene.places, cover))


def draw_dropped(ax: Axes, scene: Scene, dropped: Sequence[int]) -> None:
    """Draw the image with its dropped tokens faded, their number above it."""
    image, places = scene.image, scene.places
    ax.set_title(dropped_in_words(dropped, scene.record, places), fontsize=9)
    if places is None:
        _say_unknown(ax)
        return
    labels = [f"{cover.name}\n{cover.dropped_of_all(dropped)}" for cover in places.covers]
    show(ax, scene, lambda cover: faded(image, places, dropped, cover), labels)


def draw_scores(ax: Axes, scene: Scene, scale: LogNorm) -> None:
    """Draw FoE scores over an image, in the colours of a scale."""
    image, places, scores = scene.image, scene.places, scene.record["foe_scores"]
    if places is None:
        _say_unknown(ax)
        return
    labels = [cover.name for cover in places.covers]
    show(ax, scene, lambda cover: heat_map(image, places, scores, scale, cover), labels)


def draw_scale(figure: FigureBase, scale: LogNorm, **place: Any) -> None:
    """Draw the colour bar of a scale of scores, with its ends and its middle.

    Args:
        figure: gets the bar.
        scale: of the scores.
        place: where it is drawn, as `Figure.colorbar` takes it.
    """
    bar = figure.colorbar(ScalarMappable(scale, SCORE_COLORS), **place)
    low, high = float(scale.vmin or 0), float(scale.vmax or 0)
    ticks = (low, math.sqrt(low * high), high)
    bar.set_ticks(ticks, labels=[f"{1000 * tick:.3g}" for tick in ticks], minor=False)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label("FoE score: attention × 10³ (log)", fontsize=7)


def show(ax: Axes, scene: Scene, draw: Callable[[int], Pixels], labels: Sequence[str] = ()) -> None:
    """Draw the view of an image, with the image's outline where it was padded.

    Args:
        ax: gets the first cover.
        scene: of the image.
        draw: the pixels that show a cover.
        labels: of the covers; those after the first are drawn on small images below.
    """
    _show_pixels(ax, scene, draw(0))
    for number, label in enumerate(labels[1:], start=1):
        corner = (1 - number * (SMALL + SMALL_GAP) + SMALL_GAP, -SMALL - SMALL_GAP)
        small = ax.inset_axes((*corner, SMALL, SMALL))
        _show_pixels(small, scene, draw(number))
        small.set_ylabel(label, fontsize=7, rotation=0, ha="right", va="center")
        small.set_xlabel(" ", fontsize=5)  # room before the next row's title


def _say_unknown(ax: Axes) -> None:
    """Write that tokens cannot be drawn, instead of a picture."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, fill(PLACES_UNKNOWN, 24), ha="center", va="center", fontsize=8)


def _show_pixels(ax: Axes, scene: Scene, pixels: Pixels) -> None:
    ax.imshow(pixels)
    size = scene.image.size
    view = scene.places.view(*size) if scene.places else Box(0, 0, *size)
    if (view.width, view.height) != size:
        corner = (-view.left - 0.5, -view.top - 0.5)
        outline = {"fill": False, "edgecolor": DARK, "linewidth": 0.8, "linestyle": (0, (2, 2))}
        ax.add_patch(Rectangle(corner, *size, **outline))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def _caption(record: Record) -> str:
    r"""The label and the answer: "awe\nanswered right", "awe\nanswered fear"."""
    if record["correct"]:
        return f"{record['label']}\nanswered right"
    said = record["prediction"]
    return f"{record['label']}\n{f'answered {said}' if said else record['status']}"
