"""Pictures of whole decisions: image, dropped tokens, scores, and the answers of both stages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sepm.method.confidence import gate_in_words
from sepm.method.config import MethodConfig
from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import Taxonomy, no_class
from sepm.records.options import classes_by_letter
from sepm.records.writing import Record
from sepm.report.dropped_tokens import Scene, draw_dropped, draw_scores, show_image
from sepm.report.style import BLUE, DARK, GREY, SKY
from sepm.report.tiled_grid import PLACES_UNKNOWN, dropped_in_words
from sepm.terminal import printable


def draw_decisions(scenes: Sequence[Scene], taxonomy: Taxonomy, config: MethodConfig) -> Figure:
    """A row for each image: the image, its dropped tokens and scores, and both stages' answers.

    All are of one method, with this configuration; the records need no label.
    """
    placed = [scene.record for scene in scenes if scene.places]
    drops, scored = any(r["dropped"] for r in placed), any("foe_scores" in r for r in placed)
    pictures, stages = 1 + drops + scored, 1 + ("coarse" in scenes[0].record)
    figure = Figure(
        figsize=(2.5 * pictures + 2.9 * stages, 2.9 * len(scenes)), layout="constrained"
    )
    widths = [1.0] * pictures + [0.75] * stages
    rows = figure.subplots(len(scenes), len(widths), squeeze=False, width_ratios=widths)
    for axes, scene in zip(rows, scenes, strict=True):
        _draw_image(axes[0], scene)
        if drops:
            draw_dropped(axes[1], scene, scene.record["dropped"])
        if scored:
            draw_scores(axes[pictures - 1], scene)
            axes[pictures - 1].set_title("score of each token", fontsize=9)
        if "coarse" in scene.record:
            _draw_coarse(axes[-2], scene.record["coarse"], config)
        _draw_fine(axes[-1], scene.record, taxonomy)
    return figure


def _draw_image(ax: Axes, scene: Scene) -> None:
    """The image, and where places are not known the number of its dropped tokens below it."""
    show_image(ax, scene)
    ax.set_title(printable(Path(scene.record["image"]).name), fontsize=9)
    if scene.places is None and (dropped := scene.record["dropped"]):
        words = dropped_in_words(dropped, scene.record, None)
        ax.set_xlabel(fill(f"{words}; {PLACES_UNKNOWN}", 34), fontsize=8)


def _draw_coarse(ax: Axes, coarse: Mapping[str, Any], config: MethodConfig) -> None:
    gate = gate_in_words(config.ambiguous_when, config.alpha)
    letter = coarse["text"] if coarse["text"] in COARSE_OPTIONS else None
    _draw_bars(ax, {"A": coarse["p_a"], "B": coarse["p_b"]}, COARSE_OPTIONS, letter)
    ax.set_xlabel(f"probability\nconfidence {coarse['confidence']:.4f}\n({gate})", fontsize=8)
    ax.set_title(f"coarse: {coarse['branch']}", fontsize=9)


def _draw_fine(ax: Axes, record: Record, taxonomy: Taxonomy) -> None:
    said, probs = record["prediction"], record["fine"]["probs"]
    classes = classes_by_letter(record, taxonomy)
    options = {letter: classes[letter].option_text for letter in probs}
    chosen = next((letter for letter, c in classes.items() if c.name == said), None)
    _draw_bars(ax, probs, options, chosen)
    stage = "fine" if "coarse" in record else "answer"
    ax.set_xlabel("probability\n", fontsize=8)
    ax.set_title(f"{stage}: {said or no_class('unread', taxonomy.names)}", fontsize=9)


def _draw_bars(
    ax: Axes, probs: Mapping[str, float], options: Mapping[str, str], chosen: str | None
) -> None:
    """Probabilities of the options, by letter; the answer's own stands out."""
    letters = list(probs)
    bars = ax.barh(
        range(len(letters)),
        list(probs.values()),
        color=[BLUE if letter == chosen else SKY for letter in letters],
        edgecolor=[DARK if letter == chosen else GREY for letter in letters],
        linewidth=0.8,
    )
    ax.bar_label(bars, fmt="%.3f", padding=2, fontsize=8)
    ax.set_yticks(range(len(letters)), [f"{x}. {options[x]}" for x in letters], fontsize=8)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.25)
    ax.set_xticks([0, 0.5, 1])
    ax.grid(visible=False, axis="y")
