"""Pictures of whole decisions: image, dropped tokens, scores, and the answers of both stages."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sepm.method.confidence import gate_in_words
from sepm.method.config import MethodConfig
from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import Taxonomy, no_class
from sepm.records.labels import classes_by_letter
from sepm.records.tiled_grid import PLACES_UNKNOWN, dropped_in_words
from sepm.records.writing import Record
from sepm.report.dropped_tokens_figure import (
    Scene,
    draw_dropped,
    draw_scale,
    draw_scores,
    scale_of,
    show_image,
)
from sepm.report.style import BLUE, DARK, GREY, SKY
from sepm.terminal import printable

ROWS = 6
"""Images on a page."""
PICTURE_WIDTH, ANSWER_WIDTH, ROW_HEIGHT, SCALE_HEIGHT = 2.5, 2.9, 3.0, 0.5
"""Sides of the parts of a page, in inches."""
ROOM = "\n\n\n"
"""Lines above a row that its headline fills."""
LEAST_BARS = 4
"""Bars of fewer options are as thin as if there were so many."""
LETTERS_PER_INCH = 12
"""Of a headline."""


@dataclass(frozen=True)
class Columns:
    """What is drawn of each image, beside itself and the fine answer."""

    drops: bool
    scale: LogNorm | None
    """Colours of the scores; None: there are none."""
    coarse: bool

    @property
    def pictures(self) -> int:
        """How many columns show the image."""
        return 1 + self.drops + (self.scale is not None)

    @property
    def widths(self) -> list[float]:
        """Widths of the columns, in inches."""
        return [PICTURE_WIDTH] * self.pictures + [ANSWER_WIDTH] * (1 + self.coarse)


def pages_of(count: int) -> int:
    """How many pages so many images fill."""
    return math.ceil(count / ROWS)


def draw_decisions(
    scenes: Sequence[Scene], taxonomy: Taxonomy, config: MethodConfig
) -> Iterator[Figure]:
    """Pages of `ROWS` images, each with its dropped tokens, scores, and both stages' answers.

    All are of one method, with this configuration; the records need no label. Scores of all pages
    have one scale of colours.
    """
    scored = [scene for scene in scenes if scene.places and "foe_scores" in scene.record]
    columns = Columns(
        drops=any(scene.record["dropped"] for scene in scenes if scene.places),
        scale=scale_of(scored) if scored else None,
        coarse="coarse" in scenes[0].record,
    )
    for first in range(0, len(scenes), ROWS):
        yield _draw_page(scenes[first : first + ROWS], columns, taxonomy, config)


def _draw_page(
    scenes: Sequence[Scene], columns: Columns, taxonomy: Taxonomy, config: MethodConfig
) -> Figure:
    widths = columns.widths
    height = ROW_HEIGHT * len(scenes) + SCALE_HEIGHT * (columns.scale is not None)
    figure = Figure(figsize=(sum(widths), height))
    figure.set_layout_engine("constrained", w_pad=0.08)
    rows = figure.subplots(len(scenes), len(widths), squeeze=False, width_ratios=widths)
    for axes, scene in zip(rows, scenes, strict=True):
        _draw_row(axes, scene, columns, taxonomy)
        text = fill(headline(scene, taxonomy, config), int(LETTERS_PER_INCH * sum(widths)))
        _write_headline(axes, text)
    if columns.scale is not None:
        under = rows[-1, columns.pictures - 1]
        place = {"location": "bottom", "fraction": 0.05, "pad": 0.04, "aspect": 24}
        draw_scale(figure, columns.scale, ax=under, **place)
    return figure


def _write_headline(axes: Sequence[Axes], text: str) -> None:
    """Write a row's headline above it, from the left of its first axes."""
    first, last = axes[0], axes[-1]
    last.set_title(f"{ROOM}{last.get_title()}", fontsize=9)
    first.annotate(
        text,
        (0, 1),
        xycoords=(first.transAxes, last.transAxes),
        xytext=(0, 24),
        textcoords="offset points",
        fontsize=10,
        fontweight="bold",
    ).set_in_layout(False)


def headline(scene: Scene, taxonomy: Taxonomy, config: MethodConfig) -> str:
    """The answer, how the gate decided, and how many visual tokens were dropped."""
    record = scene.record
    words = [record["prediction"] or no_class("unread", taxonomy.names)]
    if coarse := record.get("coarse"):
        branch, gate = coarse["branch"], gate_in_words(config.ambiguous_when, config.alpha)
        verdict = "ambiguous" if branch == "ambiguous" else f"trusted as {branch}"
        words.append(f"{verdict}: confidence {coarse['confidence']:.4f} ({gate})")
    if dropped := record["dropped"]:
        words.append(f"{dropped_in_words(dropped, record, scene.places)} (β = {config.beta:g})")
    return "  ·  ".join(words)


def _draw_row(axes: Sequence[Axes], scene: Scene, columns: Columns, taxonomy: Taxonomy) -> None:
    free = iter(axes)
    _draw_image(next(free), scene)
    if columns.drops:
        draw_dropped(next(free), scene, scene.record["dropped"])
    if columns.scale is not None:
        ax = next(free)
        draw_scores(ax, scene, columns.scale)
        ax.set_title("score of each token", fontsize=9)
    if columns.coarse:
        _draw_coarse(next(free), scene.record["coarse"])
    _draw_fine(next(free), scene.record, taxonomy)


def _draw_image(ax: Axes, scene: Scene) -> None:
    """The image, and where places are not known the number of its dropped tokens below it."""
    show_image(ax, scene)
    ax.set_title(printable(Path(scene.record["image"]).name), fontsize=9)
    if scene.places is None and (dropped := scene.record["dropped"]):
        words = dropped_in_words(dropped, scene.record, None)
        ax.set_xlabel(fill(f"{words}; {PLACES_UNKNOWN}", 34), fontsize=8)


def _draw_coarse(ax: Axes, coarse: Mapping[str, Any]) -> None:
    letter = coarse["text"] if coarse["text"] in COARSE_OPTIONS else None
    _draw_bars(ax, {"A": coarse["p_a"], "B": coarse["p_b"]}, COARSE_OPTIONS, letter)
    ax.set_title("coarse answer", fontsize=9)


def _draw_fine(ax: Axes, record: Record, taxonomy: Taxonomy) -> None:
    said, probs = record["prediction"], record["fine"]["probs"]
    classes = classes_by_letter(record, taxonomy)
    options = {letter: classes[letter].option_text for letter in probs}
    chosen = next((letter for letter, c in classes.items() if c.name == said), None)
    _draw_bars(ax, probs, options, chosen)
    ax.set_title("fine answer" if "coarse" in record else "answer", fontsize=9)


def _draw_bars(
    ax: Axes, probs: Mapping[str, float], options: Mapping[str, str], chosen: str | None
) -> None:
    """Probabilities of the options, by letter, from 0 to 1; the answer's own stands out."""
    letters = list(probs)
    ax.barh(
        range(len(letters)),
        list(probs.values()),
        color=[BLUE if letter == chosen else SKY for letter in letters],
        edgecolor=[DARK if letter == chosen else GREY for letter in letters],
        linewidth=0.8,
    )
    for place, letter in enumerate(letters):
        weight = "bold" if letter == chosen else "normal"
        beside = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": 8}
        ax.text(1.03, place, f"{probs[letter]:.3f}", fontweight=weight, **beside)
    ax.set_yticks(range(len(letters)), [f"{x}. {options[x]}" for x in letters], fontsize=8)
    ax.set_ylim(max(len(letters), LEAST_BARS) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1])
    ax.set_xlabel("probability", fontsize=8)
    ax.grid(visible=False, axis="y")
