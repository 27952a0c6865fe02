"""Pictures of whole decisions: image, dropped tokens, scores, and the answers of both stages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sepm.method.confidence import gate_in_words
from sepm.method.config import MethodConfig
from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import Taxonomy, no_class
from sepm.report.dropped_tokens import Scene, draw_scores, show
from sepm.report.overlay import faded, plain
from sepm.report.style import BLUE, DARK, GREY, SKY
from sepm.terminal import printable


def draw_decisions(scenes: Sequence[Scene], taxonomy: Taxonomy, config: MethodConfig) -> Figure:
    """A row for each image: the image, its dropped tokens and scores, and both stages' answers.

    All are of one method, with this configuration; the records need no label.
    """
    first = scenes[0].record
    pictures = 1 + bool(first["dropped"]) + ("foe_scores" in first)
    stages = 1 + ("coarse" in first)
    figure = Figure(
        figsize=(2.5 * pictures + 2.9 * stages, 2.9 * len(scenes)), layout="constrained"
    )
    widths = [1.0] * pictures + [0.75] * stages
    rows = figure.subplots(len(scenes), len(widths), squeeze=False, width_ratios=widths)
    for axes, scene in zip(rows, scenes, strict=True):
        _draw_pictures(axes[:pictures], scene)
        if "coarse" in scene.record:
            _draw_coarse(axes[-2], scene.record["coarse"], config)
        _draw_fine(axes[-1], scene.record, taxonomy)
    return figure


def _draw_pictures(axes: Sequence[Axes], scene: Scene) -> None:
    """The image, then its dropped tokens and its scores where the method has them."""
    record, image, grid = scene.record, scene.image, scene.grid
    show(axes[0], scene, plain(image, grid))
    axes[0].set_title(printable(Path(record["image"]).name), fontsize=9)
    if dropped := record["dropped"]:
        show(axes[1], scene, faded(image, grid, dropped))
        axes[1].set_title(f"{len(dropped)} of {grid.num_tokens} tokens dropped", fontsize=9)
    if "foe_scores" in record:
        draw_scores(axes[-1], scene)
        axes[-1].set_title("score of each token", fontsize=9)


def _draw_coarse(ax: Axes, coarse: Mapping[str, Any], config: MethodConfig) -> None:
    gate = gate_in_words(config.ambiguous_when, config.alpha)
    letter = coarse["text"] if coarse["text"] in COARSE_OPTIONS else None
    _draw_bars(ax, {"A": coarse["p_a"], "B": coarse["p_b"]}, COARSE_OPTIONS, letter)
    ax.set_xlabel(f"probability\nconfidence {coarse['confidence']:.4f}\n({gate})", fontsize=8)
    ax.set_title(f"coarse: {coarse['branch']}", fontsize=9)


def _draw_fine(ax: Axes, record: Mapping[str, Any], taxonomy: Taxonomy) -> None:
    said, probs = record["prediction"], record["fine"]["probs"]
    options = {letter: taxonomy.by_letter(letter).option_text for letter in probs}
    _draw_bars(ax, probs, options, taxonomy.by_name(said).option_letter if said else None)
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
